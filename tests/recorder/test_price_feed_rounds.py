"""A price feed's round of requests, second by second, and which days a delivery takes at which time."""

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.journals import DAY, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.lake.layout import CANDLES, Partition
from harvester.ledger.outage import Cause, Outage
from harvester.price_feed import feed
from harvester.price_feed.asking import ROUND_SECONDS, SPACING_SECONDS, Round, ask_round
from harvester.price_feed.raw_form import RawAnswer

SLOW = ROUND_SECONDS / 4
OVER = f"the round of {ROUND_SECONDS:g} s was over before its turn"
Story = dict[str, list[Cause | None]]


def round_of(story: Story, takes: float = 0.0) -> tuple[Round, list[tuple[str, float]]]:
    """What became of a round in which each symbol is answered so, each time; None is data. And who was asked when."""
    now, asked = [1000.0], list[tuple[str, float]]()

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def ask(symbol: str) -> RawAnswer | Outage:
        asked.append((symbol, round(now[0] - 1000.0, 1)))
        now[0] += takes
        cause = story[symbol][sum(each == symbol for each, _ in asked) - 1]
        return Outage(cause, "a word") if cause else RawAnswer(len(asked), b"{}")

    return ask_round(ask, story, sleep=sleep, monotonic=lambda: now[0]), asked


@pytest.mark.parametrize("cause", ["disconnect", "server_error", "timeout"])
def test_what_may_pass_is_asked_once_more_at_the_end_and_each_request_keeps_its_distance(cause: Cause) -> None:
    found, asked = round_of({"A": [cause, None], "B": [None], "C": [cause, cause]})

    step = SPACING_SECONDS
    assert asked == [(each, round(number * step, 1)) for number, each in enumerate("ABCAC")]
    assert (sorted(found.answers), sorted(found.failed)) == (["A", "B"], ["C"])


@pytest.mark.parametrize("cause", ["bad_response", "refused"])
def test_what_does_not_pass_is_not_asked_again(cause: Cause) -> None:
    found, asked = round_of({"A": [cause], "B": [None]})

    assert [each for each, _ in asked] == ["A", "B"] and found.failed["A"].cause == cause


@pytest.mark.parametrize("cause", ["token_refused", "rate_limited"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_broker_who_is_asked_too_often_or_refuses_the_token_is_asked_no_more(cause: Cause, at: int) -> None:
    """At the first time, or when what failed is asked again."""
    story: Story = {"A": ["timeout", "timeout"], "B": [cause], "C": [None]}
    if at == 2:
        story = {"A": ["timeout", cause], "B": [None], "C": ["timeout", "timeout"]}
    found, asked = round_of(story)

    assert [each for each, _ in asked] == (["A", "B"] if at == 1 else ["A", "B", "C", "A"])
    assert {each: outage.cause for each, outage in found.failed.items()} == (
        {"A": "timeout", "B": cause, "C": cause} if at == 1 else {"A": cause, "C": "timeout"}
    )


def test_a_round_ends_in_its_time_and_so_does_what_is_asked_again_in_it() -> None:
    found, asked = round_of({each: [None] for each in "ABCDE"}, SLOW)
    assert [each for each, _ in asked] == ["A", "B", "C", "D"]
    assert found.failed == {"E": Outage("timeout", OVER)}

    found, asked = round_of({"A": ["timeout", None], "B": ["timeout", None], "C": [None]}, SLOW)
    assert [each for each, _ in asked] == ["A", "B", "C", "A"], "B's turn would be in the next round"
    assert found.failed == {"B": Outage("timeout", "a word")}, "why it has none, not that nobody asked again"


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize(
    ("settles", "at", "due_from"), [("15:35", "16:00", "16:00"), ("16:05", "16:00", "16:05"), ("", "16:00", "16:00")]
)
def test_today_is_due_when_its_bars_have_settled_and_the_time_has_come_closed_or_not(
    settles: str, at: str, due_from: str, is_closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days before it are due at any time; a day of another host, or without what is delivered, at none."""
    before, today = Partition(DAY - timedelta(days=1), "h1"), Partition(DAY, "h1")
    kept = {before: CANDLES, Partition(DAY, "h2"): CANDLES, Partition(DAY - timedelta(days=2), "h1"): "trades"}
    kept |= {today: CANDLES} if is_closed else {}
    monkeypatch.setattr(feed, "find_partitions", lambda _: sorted(kept))
    monkeypatch.setattr(
        feed, "load_manifest", lambda _, day: SimpleNamespace(find=lambda kind: [kind] if kept[day] == kind else [])
    )
    settings: Any = SimpleNamespace(lake_dir=Path("/lake"), host_id="h1")
    source: Any = SimpleNamespace(settles_ns=lambda day: ns(day.date, settles) if settles else 0)
    delivery: Any = SimpleNamespace(lake_tables=(CANDLES,), at=at)

    def due(now_ns: int) -> list[Partition]:
        clock = HandClock()
        clock.now_ns = now_ns
        return feed.days_due(settings, source, delivery, today, clock)

    has_bars = is_closed or settles
    assert due(ns(DAY, due_from) - 1) == [before]
    assert due(ns(DAY, due_from)) == ([before, today] if has_bars else [before])


def ns(day: date, clock: str) -> int:
    hours, minutes = map(int, clock.split(":"))
    return midnight_ns(day) + (hours * 3600 + minutes * 60) * NS_PER_SECOND
