"""Which bars have been answered: by the certificates of the lake, and by answers that wait to be built."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from harvester.backfill.pending import pending_segments, read_answers, spoken_for
from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.history import judge_range
from harvester.calendar import TradingCalendar
from harvester.calendar.periods import dates_due
from harvester.config.resolutions import Resolution
from harvester.lake.layout import CERTIFICATE, Partition, find_partitions, history_of
from harvester.lake.manifest import load_manifest


class _Section(msgspec.Struct):
    symbols: dict[str, dict[str, Any]]


class _Certificate(msgspec.Struct):
    history: _Section


def entries_of(lake: Path, partition: Partition) -> dict[str, dict[str, Any]]:
    """The certificate's entries of what a backfill brought of a day, by symbol; none where there is nothing.

    Raises HarvesterError for a certificate that cannot be read.
    """
    manifest = load_manifest(lake, partition)
    listed = manifest.find(CERTIFICATE) if manifest else []
    if not listed:
        return {}
    path = lake / listed[0].path
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Certificate).history.symbols
    except (OSError, msgspec.MsgspecError) as error:
        raise HarvesterError(
            f"{path}: the certificate cannot be read ({error}). Restore it from its other copy, in the bucket or where"
            " it was pulled to, then run the command again."
        ) from error


def answered_days(lake: Path, host: str, since: date, until: date, resolution: str) -> dict[str, set[date]]:
    """By symbol, the dates of bars that the lake has an answer of."""
    found: dict[str, set[date]] = {}
    for partition in find_partitions(lake):
        if since <= partition.date <= until and partition == history_of(partition.date, host):
            for symbol, entry in entries_of(lake, partition).items():
                if resolution in entry["resolutions"]:
                    found.setdefault(symbol, set()).add(partition.date)
    return found


def waiting_days(
    journal: Path, lake: Path, host: str, bars: Resolution, calendars: dict[str, TradingCalendar]
) -> dict[str, set[date]]:
    """The same of answers in the backfill's journal that the lake does not have yet. Raises JournalError."""
    found: dict[str, set[date]] = {}
    for answer in read_answers(pending_segments(journal, lake, host)):
        said = answer.said
        calendar = calendars.get(answer.symbol)
        if calendar and said.resolution == bars.name and judge_range(said.status, said.body) is None:
            found.setdefault(answer.symbol, set()).update(dates_due(calendar, bars.name, *spoken_for(said)))
    return found


def merge_days(parts: Iterable[dict[str, set[date]]]) -> dict[str, set[date]]:
    """What any of them has."""
    found: dict[str, set[date]] = {}
    for part in parts:
        for symbol, days in part.items():
            found.setdefault(symbol, set()).update(days)
    return found
