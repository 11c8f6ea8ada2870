"""What the functions know of the market's day: its hours by its own clock, which New York sets twice a year."""

import importlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from harvester.base.market import entered
from harvester.calendar import TradingCalendar
from runbook.aws.trading_days import sessions_file


@pytest.fixture
def market(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(root / "files/functions"))
    yield importlib.import_module("market")
    sys.modules.pop("market", None)


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """What the build of October 2026 puts beside the functions of the market us."""
    with entered("us"):
        days = sessions_file([TradingCalendar.load()], date(2026, 10, 1))
    (tmp_path / "sessions.json").write_text(json.dumps(days), encoding="utf-8")
    return tmp_path / "sessions.json"


@pytest.mark.parametrize(
    ("moment", "opens", "closes"),
    [
        ("2026-10-30T15:00:00+00:00", "13:30", "20:00"), ("2026-11-02T15:00:00+00:00", "14:30", "21:00"),
        ("2026-11-27T15:00:00+00:00", "14:30", "18:00"), ("2026-11-28T02:00:00+00:00", "14:30", "18:00"),
    ],
)  # fmt: skip
def test_a_session_is_that_of_the_market_day_that_it_is(
    market: ModuleType, sessions: Path, moment: str, opens: str, closes: str
) -> None:
    found = market.session_at(datetime.fromisoformat(moment), sessions)

    assert [f"{each.astimezone(datetime.fromisoformat(moment).tzinfo):%H:%M}" for each in found[:2]] == [opens, closes]
    assert f"{found[0]:%H:%M %Z}" in ("09:30 EDT", "09:30 EST"), "as people are told it"


@pytest.mark.parametrize(
    ("moment", "is_open"), [("2026-11-26T15:00:00+00:00", False), ("2026-11-27T05:30:00+00:00", True)]
)
def test_thanksgiving_has_no_session_and_the_friday_has(
    market: ModuleType, sessions: Path, moment: str, is_open: bool
) -> None:
    assert bool(market.session_at(datetime.fromisoformat(moment), sessions)) is is_open


@pytest.mark.parametrize(
    ("moment", "begins"),
    [
        ("2026-10-25T07:00:00+00:00", "2026-10-25T06:50:00+00:00"),
        ("2026-11-08T08:00:00+00:00", "2026-11-08T07:50:00+00:00"),
        ("2026-11-08T07:00:00+00:00", None), ("2026-11-09T08:00:00+00:00", None),
        ("2026-11-01T07:49:00+00:00", None), ("2026-11-01T09:59:00+00:00", "2026-11-01T07:50:00+00:00"),
        ("2026-11-01T10:00:00+00:00", None),
        ("2027-03-14T06:59:00+00:00", None), ("2027-03-14T07:00:00+00:00", "2027-03-14T06:50:00+00:00"),
        ("2027-03-14T08:59:00+00:00", "2027-03-14T06:50:00+00:00"), ("2027-03-14T09:00:00+00:00", None),
    ],
)  # fmt: skip
def test_hosts_are_maintained_in_the_markets_own_sunday_night(
    market: ModuleType, sessions: Path, moment: str, begins: str | None
) -> None:
    found = market.maintenance_at(datetime.fromisoformat(moment), timedelta(0), sessions)

    assert (found[0].astimezone(UTC) if found else None) == (datetime.fromisoformat(begins) if begins else None)


@pytest.mark.parametrize("sunday", ["2027-03-07", "2027-03-14", "2027-03-21", "2026-10-25", "2026-11-01"])
def test_a_moment_of_the_maintenance_is_between_its_begin_and_its_end_also_when_the_clock_is_set(
    market: ModuleType, sessions: Path, sunday: str
) -> None:
    """On 2027-03-14 New York's clock skips from 02:00 to 03:00: 02:50 is never shown, and hosts start at 03:00."""
    since = datetime.fromisoformat(f"{sunday}T00:00:00+00:00")
    minutes = [since + timedelta(minutes=number) for number in range(36 * 60)]
    inside = {at: found for at in minutes if (found := market.maintenance_at(at, timedelta(0), sessions))}

    assert len({*inside.values()}) == 1, "of one maintenance all calls say the same"
    begins, ends = (edge.astimezone(UTC) for edge in next(iter(inside.values())))
    assert all(begins <= at < ends for at in inside), "a host that was started in it was started after its begin"
    assert max(inside) == ends - timedelta(minutes=1)
    shown = [f"{at.astimezone(market.zone(sessions)):%H:%M}" for at in (min(inside), ends)]
    assert shown == ["03:00" if sunday == "2027-03-14" else "02:50", "05:00"]
