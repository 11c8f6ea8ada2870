"""harvester build-history: make tables of what the backfill's requests have brought."""

import argparse
from functools import partial

from harvester.backfill.build import build
from harvester.backfill.order import journal_of
from harvester.backfill.plan import calendars_of
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.lake.publish.archive import Form


def add_arguments(_: argparse.ArgumentParser) -> None:
    """None: it takes in whatever waits."""


def run(_: argparse.Namespace, settings: "Settings") -> int:
    """Take in what waits in the backfill's journal; nothing to do without."""
    calendar = TradingCalendar.load(settings.calendar.file)
    built = build(
        journal_of(settings.data_dir),
        settings.lake_dir,
        settings.host_id,
        partial(calendars_of, settings, calendar),
        Form[settings.archive.upper()],
    )
    print(
        f"{built.segments} segments: {built.answers} answers with data, {built.refused} without; {built.days} days have"
        f" {built.rows} bars now"
    )
    return 0
