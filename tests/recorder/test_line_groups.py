"""Groups of symbols on their connections: how long they are down, what is missing, what replaces what; see lines.py."""

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from tests.recorder.lines import SYMBOLS, Line, Wire, play
from tests.recorder.live_feed import FAR, INFY, NEAR, SBIN

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.brokers.protocol import GroupPlan
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded

CUT = ConnectionEnded(Outage("disconnect", "nobody answers"))
SNAPSHOT = 10
"""Seconds in which snapshots come."""


def nothing(wire: Wire) -> None:
    """A server that says nothing."""


def one(wire: Wire) -> None:
    wire.show(SBIN)


def cause_of(line: Line, symbol: str) -> tuple[str, float]:
    """Of its open gap, and since when."""
    [gap] = [gap for gap in line.ledger.open_gaps if gap.symbol == symbol]
    return gap.cause, round((gap.from_ns - line.wall_ns(0)) / NS_PER_SECOND, 3)


def test_a_group_is_down_until_one_of_its_symbols_is_live_and_again_from_the_end_of_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.at(3)
        assert line.feed.down_for() == pytest.approx(3 * NS_PER_SECOND, rel=0.01)
        line.wires[0].show(SBIN)
        assert line.feed.down_for() == 0
        await line.at(5)
        line.refusal = CUT
        line.wires[0].cut()
        for seconds, down in ((6, 0), (8, 2), (9, 3)):
            await line.at(seconds)
            assert line.feed.down_for() == down * NS_PER_SECOND, "since it was seen first"
        line.refusal, line.opening = None, one
        await line.at(16)
        assert line.feed.down_for() == 0
        line.feed.follow(FAR)
        await line.at(20)
        assert line.feed.down_for() == 0, "it is not wanted"

    play(monkeypatch, story, opening=nothing)


def test_a_feed_is_down_as_long_as_the_group_that_is_down_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(4)
        assert line.feed.down_for() == pytest.approx(4 * NS_PER_SECOND, rel=0.01)

    line = play(monkeypatch, story, opening=one, groups=[(SBIN,), (INFY,)])

    assert len(line.wires) == 2


def test_a_feed_that_cannot_be_planned_is_down_and_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.feed.follow(FAR)
        await line.at(1)
        line.trouble = HarvesterError("the symbol master cannot be had:\nno network")
        line.feed.follow(NEAR)
        await line.at(9)
        assert line.feed.down_for() == 8 * NS_PER_SECOND
        assert {gap.cause for gap in line.ledger.open_gaps} == {"disconnect"}
        assert line.ledger.open_gaps[0].detail == "the symbol master cannot be had: no network"
        line.trouble = None
        await line.at(20)
        assert all(map(line.ledger.is_live, SYMBOLS))

    planned = play(monkeypatch, story).planned

    assert [later - earlier for earlier, later in pairwise(planned[1:])] == [0.5, 1, 2, 4, 8]


def test_what_no_connection_has_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(1)
        assert cause_of(line, INFY) == ("not_listed", 0)
        assert line.ledger.is_live(SBIN)

    play(monkeypatch, story, groups=[(SBIN,)])


def test_two_groups_count_what_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.wires[0].update(SBIN, SBIN)
        line.wires[1].update(INFY)
        await line.at(1)
        assert [line.feed.count(symbol).updates for symbol in SYMBOLS] == [3, 2]
        assert line.feed.messages == 7

    play(monkeypatch, story, groups=[(SBIN,), (INFY,)])


@pytest.mark.parametrize(("refusal", "cause"), [("", "no_snapshot"), ("too many symbols", "refused")])
def test_a_connection_that_brings_no_snapshot_at_all_is_ended(
    monkeypatch: pytest.MonkeyPatch, refusal: str, cause: str
) -> None:
    async def story(line: Line) -> None:
        line.talks[0].refusal = refusal
        await line.at(SNAPSHOT - 0.6)
        assert line.journal.of_type("disconnect") == []
        await line.at(SNAPSHOT + 0.6)
        [ended] = line.journal.of_type("disconnect")
        assert (ended["cause"], refusal in ended["detail"]) == (cause, True)

    play(monkeypatch, story, opening=nothing)


@pytest.mark.parametrize(("refusal", "cause"), [("", "no_snapshot"), ("too many symbols", "refused")])
def test_a_symbol_whose_snapshot_does_not_come_is_asked_for_each_minute_and_its_gap_says_why(
    monkeypatch: pytest.MonkeyPatch, refusal: str, cause: str
) -> None:
    async def story(line: Line) -> None:
        line.refusal = CUT
        line.wires[0].cut()
        await line.at(2)
        line.refusal, line.trading.since_ns = None, {}
        await line.at(4)
        line.talks[-1].refusal = refusal
        connected = line.tries[-1]
        await line.at(connected + SNAPSHOT - 1)
        assert cause_of(line, INFY)[0] == "disconnect"
        await line.at(connected + SNAPSHOT + 1)
        assert cause_of(line, INFY) == (cause, connected), "from the connection on"
        await line.at(connected + 200)
        asked = [(ns - line.began_ns) / NS_PER_SECOND - connected for ns in line.talks[-1].asked_again]
        assert [round(seconds / 10) * 10 for seconds in asked] == [70, 130, 190]
        line.wires[-1].show(INFY)
        await line.at(connected + 300)
        assert len(line.talks[-1].asked_again) == 3
        assert line.journal.of_type("disconnect")[1:] == []

    play(monkeypatch, story, opening=one)


@pytest.mark.parametrize(("stale_seconds", "pings"), [(60, 3), (3, 10)])
def test_a_connection_is_pinged_three_times_in_what_it_may_be_silent_for(
    monkeypatch: pytest.MonkeyPatch, stale_seconds: float, pings: int
) -> None:
    async def story(line: Line) -> None:
        line.trading.since_ns = {}
        await line.at(10.9)
        assert len(line.wires[0].pings) == pytest.approx(pings, abs=1)
        await line.at(61)
        assert len(line.talks[0].pinged) == 6, "the protocol's own ping, each ten seconds"
        assert len(line.wires) == 1

    play(monkeypatch, story, stale_seconds=stale_seconds)


def test_a_server_that_never_answered_a_ping_is_not_ended_for_answering_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.trading.since_ns, line.wires[0].answers = {}, False
        await line.at(100)

    assert play(monkeypatch, story, stale_seconds=10).tries == [0]


def test_an_answered_ping_is_a_sign_of_life_and_its_lack_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.trading.since_ns = {}
        await line.at(50)
        line.wires[0].answers = False
        await line.at(58)
        assert len(line.tries) == 1
        await line.at(62)

    line = play(monkeypatch, story, stale_seconds=10)

    [ended] = line.journal.of_type("disconnect")[:-1]
    assert (ended["cause"], len(line.tries)) == ("mute", 2)


@pytest.mark.parametrize("opening", [Wire.show, one])
def test_a_new_token_replaces_each_connection_once_and_waits_for_no_more_than_the_old_one_had(
    monkeypatch: pytest.MonkeyPatch, opening: object
) -> None:
    async def story(line: Line) -> None:
        line.hand_over("n")
        for _ in range(3):
            line.feed.change_token()
            await line.at(line.seconds + 3)
        assert [each.is_running for each in line.connections] == [False, True]
        await line.at(40)

    line = play(monkeypatch, story, may_overlap=True, opening=opening)

    assert len(line.tries) == 2 and line.gaps == []


@pytest.mark.parametrize("kind", ["may_overlap", "redundant"])
def test_a_connection_stays_where_none_with_the_new_token_comes_up(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    async def story(line: Line) -> None:
        line.hand_over("n")
        line.refusal, line.trading.since_ns = CUT, {}
        line.feed.change_token()
        await line.at(15)
        tried = len(line.tries)
        assert tried > 3
        await line.at(100)
        kept = line.wires[kind == "redundant"].socket
        assert kept is line.connections[kind == "redundant"].socket
        assert line.ledger.is_live(SBIN)

    with capture_logs() as said:
        line = play(monkeypatch, story, **{kind: True})

    told = [each for each in said if each["event"] not in ("connected", "not_connected")]
    why = {"event": "token_not_used_yet", "log_level": "warning", "detail": "the new connection did not come up"}
    assert told == [why | {"stream": 0}]
    if kind == "may_overlap":
        assert line.tries[-1] < 22, "twenty seconds, and no more"


def test_a_stop_waits_for_a_start_that_needs_a_moment_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the look-up of symbols does, which closes its connections when it is cancelled."""

    async def story(line: Line) -> None:
        async def plan() -> list[GroupPlan]:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(2)
                ended.append(line.seconds)
            return []

        ended: list[float] = []
        line.feed.follow(FAR)
        await line.at(1)
        line.plan = plan  # type: ignore[method-assign]
        line.feed.follow(NEAR)
        await line.at(3)
        await line.feed.stop(Outage("stopped", "the recorder was told to stop"))
        assert ended == [5]

    play(monkeypatch, story)


def test_a_feed_that_is_wanted_again_while_it_closes_begins_when_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start in the middle would be dropped with what is being closed."""

    async def story(line: Line) -> None:
        line.wires[0].answers = False
        line.feed.follow(FAR)
        await line.at(0.2)
        line.feed.follow(NEAR)
        await line.at(0.4)
        assert len(line.tries) == 1
        await line.at(20)
        line.feed.follow(NEAR)
        await line.at(21)
        assert (len(line.tries), [each.is_open for each in line.connections]) == (2, [True])

    play(monkeypatch, story)


def test_where_one_connection_is_allowed_a_new_token_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.hand_over("n")
        line.feed.change_token()
        await line.at(30)

    assert play(monkeypatch, story).tries == [0]


def test_a_deaf_one_of_a_pair_is_believed_to_its_last_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first was down, the second brought nothing, although it seemed to be live."""

    async def story(line: Line) -> None:
        first, second = line.wires
        await line.flow(3, first, second)
        await line.flow(12, first)
        first.cut()
        await line.at(13)
        await line.flow(30, line.wires[2])

    line = play(monkeypatch, story, stale_seconds=10, redundant=True)

    first, second = line.journal.of_type("disconnect")[:2]
    assert [(each["stream"], each["cause"]) for each in (first, second)] == [(0, "disconnect"), (1, "mute")]
    assert [(begins, ends) for _, begins, ends in line.gaps] == [(12, line.tries[2])]


@pytest.mark.parametrize("opening", [Wire.show, one])
def test_snapshots_of_one_are_no_data_that_its_pair_lacks(monkeypatch: pytest.MonkeyPatch, opening: object) -> None:
    async def story(line: Line) -> None:
        line.trading.since_ns = {}
        await line.flow(3, *line.wires)
        await line.at(5)
        line.opening = opening  # type: ignore[assignment]
        line.wires[0].cut()
        await line.at(30)

    line = play(monkeypatch, story, stale_seconds=5, redundant=True)

    assert len(line.tries) == 3 and line.gaps == []


def test_a_pair_that_has_the_same_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.flow(40, *line.wires)
        await line.flow(49, line.wires[0])
        await line.flow(80, *line.wires)

    assert play(monkeypatch, story, stale_seconds=10, redundant=True).tries == [0, 0]
