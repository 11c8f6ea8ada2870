"""When closed days are missing from the host or its bucket, and how they are named."""

from datetime import date
from typing import Any
from unittest.mock import Mock

import pytest
from tests.recorder.host_facts import NOW, make_facts, make_view

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.health.days import how_to_close, judge_closed, judge_uploads
from harvester.health.facts import Day
from harvester.health.view import Fault

HOUR = 3600 * NS_PER_SECOND


@pytest.mark.parametrize("count", range(1, 9))
def test_of_many_days_the_newest_five_are_named_and_the_others_counted(count: int) -> None:
    days = [f"2026-11-{day:02d}" for day in range(27 - count + 1, 28)]
    facts = make_facts(days=[Day(day, NOW - 20 * HOUR, uploaded=False) for day in days], recorded=[])

    fault = judge_uploads(make_view(facts))
    more = f" and {count - 5} before" if count > 5 else ""
    assert fault and fault.detail == f"{', '.join(days[-5:])}{more} {'is' if count == 1 else 'are'} not in the bucket"


@pytest.mark.parametrize(("after_hours", "is_missing"), [(-5, False), (0, False), (3, False), (3.01, True)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_day_is_overdue_three_hours_after_the_last_window_of_any_segment(
    after_hours: float, is_missing: bool, turned: bool
) -> None:
    """As on a day with an evening session, or of shares in the morning and commodities until midnight."""
    last_ns = midnight_ns(date(2026, 11, 26)) + 23 * HOUR
    spans = [[(last_ns - 14 * HOUR, last_ns - 8 * HOUR)], [(last_ns - 5 * HOUR, last_ns), (last_ns - 14 * HOUR, 1)]]
    windows = {date(2026, 11, 26): spans[::-1] if turned else spans}
    calendars: Any = [
        Mock(windows=lambda day, _, number=number: windows.get(day, [[], []])[number], is_open=lambda *_: False)
        for number in range(2)
    ]
    facts = make_facts(days=[], recorded=["2026-11-26"], at_ns=last_ns)

    view = make_view(facts, round(last_ns + after_hours * HOUR), calendars=calendars)
    assert judge_closed(view) == (
        Fault("2026-11-26 is not closed: no certificate", how_to_close("2026-11-26")) if is_missing else None
    )
