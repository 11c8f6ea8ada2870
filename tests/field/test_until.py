"""verify-data over days to come: nobody can miss what has not been."""

from datetime import date, timedelta

import pytest

from runbook.pull.plan import Selection
from runbook.report import verification
from runbook.report.verification import missing_days

FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("today", "missing"),
    [
        (FRIDAY, []),
        (FRIDAY + timedelta(days=3), []),  # Monday's own session may not be over, or not closed
        (FRIDAY + timedelta(days=4), [date(2026, 11, 23)]),
        (FRIDAY + timedelta(days=30), [date(2026, 11, 23), date(2026, 11, 25)]),
    ],
)
def test_only_days_that_are_over_can_be_missing(today: date, missing: list[date]) -> None:
    """It reported every trading day up to --until, also of next week."""
    selection = Selection(FRIDAY, date(2026, 11, 25))
    assert list(missing_days({FRIDAY, date(2026, 11, 24)}, selection, today=today)) == missing


def test_today_is_that_of_india(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "market_today", lambda _: date(2026, 11, 24))
    assert list(missing_days({FRIDAY}, Selection(FRIDAY, date(2026, 12, 4)))) == [date(2026, 11, 23)]
