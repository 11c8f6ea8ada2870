"""The calendar of the market us, made of a public package's facts: the packaged one is what comes of them today."""

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.base.errors import HarvesterError
from harvester.base.market import MARKETS, entered
from harvester.base.validation import validate
from harvester.calendar.model import CalendarFile, packaged
from runbook.fleet import calendar, us_calendar

FACTS: dict[str, Any] = {
    "version": "9.9",
    "zone": "America/New_York",
    "opens": "09:30:00",
    "closes": "16:00:00",
    "holidays": {"2026-11-26": "Thanksgiving"},
    "early": {"2026-11-27": "13:00:00"},
}


def test_facts_become_a_calendar_that_names_its_source() -> None:
    made = us_calendar.compose(FACTS, 2026, 2026)

    with entered("us"):
        file = validate(CalendarFile, json.loads(calendar.encode(made)))
    assert file.main == "us_equities" and file.valid_until.isoformat() == "2026-12-31"
    [holiday], [half] = file.holidays, file.special_sessions
    assert (holiday.name, half.kind, half.phases["continuous"]) == ("Thanksgiving", "half_day", ((34200, 46800),))
    assert {each.reference for each in (holiday, half, *file.phase_rules)} == {"exchange_calendars 9.9, XNYS"}


def test_facts_of_another_zone_are_refused() -> None:
    with pytest.raises(HarvesterError, match=r"NYSE in America/Chicago, and the market us is in America/New_York"):
        us_calendar.compose(FACTS | {"zone": "America/Chicago"}, 2026, 2026)


def test_a_new_closing_is_shown_before_it_is_written() -> None:
    before = us_calendar.compose(FACTS, 2026, 2026)
    mourning = FACTS | {"holidays": {**FACTS["holidays"], "2026-12-04": "closed by a decision of the exchange"}}

    with entered("us"):
        [change] = calendar.compare(before, us_calendar.compose(mourning, 2026, 2026))

    assert (change.sign, change.day, change.segment) == ("+", "2026-12-04", "us_equities")


def test_the_inventory_says_which_market_it_is_about(tmp_path: Path) -> None:
    file = tmp_path / "calendar.json"
    file.write_bytes(packaged(MARKETS["us"]).read_bytes())

    assert calendar.market_of(None) == "nse"
    assert calendar.market_of(None, [{}, {"harvester_market": "us"}]) == "us"
    assert calendar.market_of(file) == "us", "its calendar says it where nothing else does"
    assert calendar.market_of(file, [{"harvester_market": "nse"}]) == "nse"
    file.write_text("[]")
    assert calendar.market_of(file) == "nse"
    with pytest.raises(HarvesterError, match=r"harvester_market is 'asx' in the inventory. Write one of nse, us"):
        calendar.market_of(None, [{"harvester_market": "asx"}])


@pytest.mark.long
def test_the_packaged_calendar_is_what_the_package_says_today(root: Path) -> None:
    """Of the version that the lock names. After a change of the lock: python -m runbook.fleet.us_calendar --write."""
    made: dict[str, Any] = us_calendar.fetch(root)

    assert json.loads(packaged(MARKETS["us"]).read_bytes()) == made
