"""A silence of a socket: when another connection is asked, what its snapshots say, and which one is kept; see lines.py.

A connection may be silent for ten seconds here, as by default.
"""

from collections.abc import Callable
from itertools import count, pairwise

import pytest
from structlog.testing import capture_logs
from tests.recorder.lines import SYMBOLS, Line, Wire, play
from tests.recorder.live_feed import SBIN

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.protocol import LastState
from harvester.capture.pulse import Pulse
from harvester.capture.streams import liveness, silence
from harvester.journal.format import FYERS_HSM
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded

CUT = ConnectionEnded(Outage("disconnect", "nobody answers"))
LIMITED = ConnectionEnded(Outage("rate_limited", "HTTP 429 instead of an upgrade"))
STALE = {"stale_seconds": 10}


def quiet(line: Line) -> list[tuple[list[str], float, float]]:
    """The symbols of which it is proven that nothing was missed, and between which moments."""
    found = line.journal.of_type("quiet")
    return [(each["symbols"], (each["from_ns"] - line.wall_ns(0)) / 1e9, (each["to_ns"] - line.wall_ns(0)) / 1e9)
            for each in found]  # fmt: skip


def ends(line: Line) -> list[tuple[int, str]]:
    """Stream and cause of each end before the last stop."""
    return [(each["stream"], each["cause"]) for each in line.journal.of_type("disconnect") if each["detail"] != OVER]


OVER = "the story is over"


def test_equal_snapshots_prove_that_the_market_was_quiet_and_the_new_connection_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.flow(3, line.wires[0])
        await line.at(30)
        assert [each.is_running for each in line.connections] == [False, True]

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    [(symbols, begins, until)] = quiet(line)
    assert (symbols, begins) == (list(SYMBOLS), 3) and 13 < until < 13.5
    assert (len(line.tries), line.gaps, ends(line)) == (2, [], [(0, "stopped")])


def test_of_a_symbol_that_had_no_snapshot_nothing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(30)

    line = play(monkeypatch, story, may_overlap=True, opening=lambda wire: wire.show(SBIN), **STALE)

    assert [symbols for symbols, _, _ in quiet(line)] == [[SBIN]]


def rising() -> Callable[[Wire], None]:
    """The market goes on from connection to connection."""
    numbers = count(1)
    return lambda wire: wire.show(value=next(numbers))


def test_different_snapshots_show_that_the_old_one_was_deaf_since_its_last_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.flow(3, line.wires[0])
        await line.at(14.5)
        assert ends(line) == [], "what shows on the new one first may come on the old one"
        await line.at(16)
        assert [each.is_running for each in line.connections] == [False, True]

    line = play(monkeypatch, story, may_overlap=True, opening=rising(), **STALE)

    assert (quiet(line), ends(line)) == ([], [(0, "mute")])
    assert [(cause, begins) for cause, begins, _ in line.gaps] == [("mute", 3)]
    assert line.gaps[0][2] == line.tries[1]


def test_data_on_the_old_one_in_time_keeps_it_and_frees_it_of_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.flow(3, line.wires[0])
        await line.at(14)
        line.wires[0].update(value=1)
        await line.at(16)
        assert ends(line) == [(1, "stopped")]
        await line.at(20.5)
        line.wires[0].answers = False
        await line.at(22)
        line.wires[0].cut()
        await line.at(24)

    line = play(monkeypatch, story, may_overlap=True, opening=rising(), **STALE)

    [(cause, begins, _)] = line.gaps
    assert cause == "disconnect" and 17 < begins <= 20.5, "the last answered ping, not the last data"


def test_who_has_data_again_while_another_group_is_asked_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.flow(3, line.wires[0])
        async with line.context.replacing:
            await line.at(14)
            line.wires[0].update(value=1)
            await line.at(15)
        await line.at(22)

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    assert (len(line.tries), quiet(line), line.gaps) == (1, [], [])


def test_a_second_connection_that_does_not_come_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(5)
        line.refusal = CUT
        await line.at(100)
        assert len(line.tries) > 4 and line.tries[-1] < 31
        assert [each.is_running for each in line.connections] == [True, False]

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    assert (line.gaps, quiet(line), ends(line)) == ([], [], [])


def test_where_the_broker_refuses_a_second_connection_the_first_makes_room_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.at(5)
        line.refusal = LIMITED
        while len(line.tries) < 2:
            await line.at(line.seconds + 0.05)
        assert ends(line) == []
        line.refusal = None
        await line.at(40)

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    assert len(line.tries) == 3 and 10 < line.tries[2] < 12, "asked again at once"
    assert (ends(line), len(quiet(line))) == ([(0, "mute")], 1)
    kinds = [each["type"] for each in line.journal.controls if each["type"] in ("connect", "disconnect")]
    assert kinds == ["connect", "disconnect", "connect", "disconnect"], "never two at a time"


def test_a_pair_that_was_deaf_is_made_anew_both_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.flow(3, *line.wires)
        await line.at(20)
        assert [each.is_running for each in line.connections] == [True, True]

    line = play(monkeypatch, story, redundant=True, opening=rising(), **STALE)

    assert len(line.tries) == 4
    assert [(begins, ends_) for _, begins, ends_ in line.gaps] == [(3, line.tries[2])]


def test_a_server_that_sends_snapshots_alone_is_asked_after_pauses_that_double_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.at(320)

    line = play(monkeypatch, story, may_overlap=True, opening=rising(), **STALE)

    pauses = [later - earlier for earlier, later in pairwise(line.tries)]
    assert [round(pause) for pause in pauses[:6]] == pytest.approx([10, 12, 20, 40, 60, 60], abs=3)


def test_a_halt_is_asked_about_after_ten_seconds_five_minutes_and_then_each_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence, "LOOK_SECONDS", 2.0)
    monkeypatch.setattr(liveness, "BEAT_SECONDS", 3.0)

    async def story(line: Line) -> None:
        await line.at(8000)

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    pauses = [later - earlier for earlier, later in pairwise(line.tries)]
    assert pauses == pytest.approx([10, 300, 3600, 3600], abs=7)
    assert len(quiet(line)) == 4


@pytest.mark.parametrize(
    ("until", "patience"),
    [(95, 60), (640, 10)],
    ids=["six times as long after a flow of six times", "as at first after one of sixty times"],
)
def test_data_after_a_halt_shortens_the_next_silence_the_longer_it_has_flowed(
    monkeypatch: pytest.MonkeyPatch, until: int, patience: int
) -> None:
    async def story(line: Line) -> None:
        await line.at(20)
        await line.flow(until, line.wires[1], every=5)
        await line.at(until + patience + 15)
        assert until + patience < line.tries[2] < until + patience + 5

    play(monkeypatch, story, may_overlap=True, **STALE)


def test_a_silence_counts_from_the_opening_of_the_market(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.trading.since_ns = {}
        await line.at(100)
        assert len(line.tries) == 1
        line.trading.since_ns = {"nse_cash": line.now.mono_ns}
        await line.at(115)

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    assert len(line.tries) == 2 and 110 < line.tries[1] < 111


@pytest.mark.parametrize(
    ("silent_for", "rested", "asked"),
    [(0, 0, [10]), (11, 0, []), (0, 20, [30])],
    ids=["has data", "is silent itself", "was silent until then"],
)
def test_a_feed_before_that_has_all_the_symbols_is_asked_first_whether_they_stand_still(
    monkeypatch: pytest.MonkeyPatch, silent_for: int, rested: int, asked: list[float]
) -> None:
    async def story(line: Line) -> None:
        began = line.now.mono_ns
        before = Pulse(FYERS_HSM, frozenset((*SYMBOLS, "NSE:MORE-EQ")), frozenset(("nse_cash",)), 10 * NS_PER_SECOND)
        before.rested_ns = began + rested * NS_PER_SECOND
        line.trading.pulses.append(before)
        while line.seconds < 40:
            before.heard_ns = line.now.mono_ns - silent_for * NS_PER_SECOND
            await line.at(line.seconds + 0.1)

    line = play(monkeypatch, story, may_overlap=True, **STALE)

    assert line.tries[1:] == pytest.approx(asked, abs=0.5)


def test_a_defect_of_the_monitor_is_told_once_in_a_long_while_and_the_connection_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence, "LOOK_SECONDS", 2.0)
    monkeypatch.setattr(liveness, "BEAT_SECONDS", 3.0)

    async def story(line: Line) -> None:
        def fail() -> LastState:
            raise ZeroDivisionError

        state, line.talks[0].state = line.talks[0].state, fail  # type: ignore[method-assign]
        await line.at(3000)
        line.talks[0].state = state  # type: ignore[method-assign]
        assert (len(line.tries), [each.is_running for each in line.connections]) == (1, [True])
        await line.at(3700)

    with capture_logs() as said:
        line = play(monkeypatch, story, may_overlap=True, **STALE)

    told = [(each["feed"], type(each["exc_info"])) for each in said if each["event"] == "silence_not_judged"]
    assert told == [("fyers-tbt", ZeroDivisionError)]
    assert (len(line.tries), len(quiet(line)), line.gaps) == (2, 1, []), "it goes on watching"
