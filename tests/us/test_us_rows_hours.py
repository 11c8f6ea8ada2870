"""When rows of a ticker must come, by New York's hours: what the alarm on 15 minutes without rows goes by."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.us.test_us_settings import parse

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import entered
from harvester.metrics.rows import open_tickers

ORDINARY, HALF_DAY, AFTER_25_HOURS, AFTER_23_HOURS = "2026-11-24", "2026-11-27", "2026-11-02", "2027-03-15"


@pytest.fixture(autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


def are_due(moment: str) -> bool:
    """Whether rows of QQQ must have come at a moment of New York's clock."""
    at = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("America/New_York"))
    return open_tickers(parse(), int(at.timestamp()) * NS_PER_SECOND)["QQQ"]


@pytest.mark.parametrize(
    ("day", "closes"),
    [(ORDINARY, "16:00"), (HALF_DAY, "13:00"), (AFTER_25_HOURS, "16:00"), (AFTER_23_HOURS, "16:00")],
)
def test_rows_are_due_from_a_quarter_after_the_opening_to_a_minute_after_the_close(day: str, closes: str) -> None:
    assert [are_due(f"{day}T{time}") for time in ("09:29", "09:45:59", "09:46:00")] == [False, False, True]
    assert [are_due(f"{day}T{closes}:{second}") for second in ("00", "59")] == [True, True]
    assert not are_due(f"{day}T{closes[:2]}:01:00")


@pytest.mark.parametrize("moment", ["2026-11-26T12:00", "2026-11-28T12:00"])
def test_none_are_due_on_a_day_without_a_session(moment: str) -> None:
    assert not are_due(moment)
