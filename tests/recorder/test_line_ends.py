"""How connections end, what that costs, when the next attempt is made, and what is told of it; see lines.py."""

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from tests.recorder.lines import SYMBOLS, Line, Talk, Wire, play
from tests.recorder.live_feed import BETWEEN, FAR, INFY, NEAR, SBIN

from harvester.base.redaction import Secret, register_secret
from harvester.brokers.protocol import Address
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded, WebSocket
from harvester.tokens.handover import Token

CUT = ConnectionEnded(Outage("disconnect", "nobody answers"))


@pytest.mark.parametrize(("is_doubted", "from_seconds"), [(False, 5.0), (True, 2.0)])
def test_a_connection_in_doubt_is_believed_up_to_its_last_data_and_any_other_to_its_last_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, is_doubted: bool, from_seconds: float
) -> None:
    async def story(line: Line) -> None:
        await line.at(2)
        line.wires[0].update()
        await line.at(5)
        line.wires[0].socket.ping()
        line.wires[0].answers = False
        line.connections[0].is_doubted = is_doubted
        await line.at(9)
        line.wires[0].cut()
        await line.at(12)
        assert not line.connections[0].is_doubted, "the next one is not the one that was in doubt"

    line = play(monkeypatch, story)

    [(cause, begins, ends)] = line.gaps
    assert (cause, begins) == ("disconnect", from_seconds)
    assert ends == line.tries[1]


def test_a_defect_while_connecting_is_the_reason_of_that_end_and_the_next_attempt_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        line.refusal = ZeroDivisionError()  # type: ignore[assignment]
        line.wires[0].cut()
        await line.at(2)
        assert line.connections[0].outage == Outage("unknown", "ZeroDivisionError in the recorder")
        line.refusal = None
        await line.at(30)
        assert line.connections[0].is_open

    with capture_logs() as said:
        line = play(monkeypatch, story)

    failed = {(each["stream"], type(each["exc_info"])) for each in said if each["event"] == "connection_failed"}
    assert failed == {(0, ZeroDivisionError)}
    assert line.gaps[-1][2] == line.tries[-1]


def test_a_stop_is_no_doubt_of_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        connection = line.connections[0]
        connection.is_doubted = True
        await connection.stop(BETWEEN)
        line.refusal = CUT
        connection.start()
        assert (connection.is_doubted, connection.outage) == (False, None)

    play(monkeypatch, story)


def test_pauses_between_attempts_double_and_a_life_with_data_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.refusal = CUT
        line.wires[0].cut()
        await line.at(20)
        line.refusal = None
        await line.at(40)
        line.wires[1].update()
        line.refusal = CUT
        line.wires[1].cut()
        await line.at(45)

    tries = play(monkeypatch, story).tries

    pauses = [round(later - earlier, 1) for earlier, later in pairwise(tries)]
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 16]
    assert [round(seconds - 40, 1) for seconds in tries[7:]] == [0.5, 1.5, 3.5], "half a second after a life"


@pytest.mark.parametrize(
    ("opening", "seconds"),
    [
        pytest.param(lambda wire: wire.show(), 2.9, id="too short"),
        pytest.param(lambda wire: None, 8.0, id="without a snapshot"),
    ],
)
def test_a_life_that_is_short_or_has_no_data_is_no_success(
    monkeypatch: pytest.MonkeyPatch, opening: object, seconds: float
) -> None:
    async def story(line: Line) -> None:
        line.opening = opening  # type: ignore[assignment]
        line.wires[0].cut()
        for number in range(1, 4):
            while len(line.wires) == number:
                await line.at(line.seconds + 0.1)
            await line.at(line.tries[-1] + seconds)
            line.wires[-1].cut()
        await line.at(line.seconds + 5)

    tries = play(monkeypatch, story).tries

    pauses = [round(later - earlier - seconds, 1) for earlier, later in pairwise(tries[1:])]
    assert pauses == [1, 2, 4]


def test_a_stop_and_a_start_begin_the_pauses_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.refusal = CUT
        line.wires[0].cut()
        await line.at(10)
        connection = line.connections[0]
        await connection.stop(BETWEEN)
        connection.start()
        await line.at(11)

    assert [seconds for seconds in play(monkeypatch, story).tries if seconds >= 10] == [10, 10.5]


def test_attempts_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        for number in range(2):
            await line.at(4 * number + 4)
            line.wires[-1].cut()
        await line.at(11)

    connects = play(monkeypatch, story).journal.of_type("connect")

    assert [(each["attempt"], each["symbols"]) for each in connects] == [(n, list(SYMBOLS)) for n in (1, 2, 3)]


@pytest.mark.parametrize("about_token", [True, False])
@pytest.mark.parametrize("when", ["connect", "subscribe"])
def test_a_refusal_of_the_credentials_has_the_token_proven(
    monkeypatch: pytest.MonkeyPatch, about_token: bool, when: str
) -> None:
    refused = ConnectionEnded(Outage("refused", "HTTP 401"), about_token=about_token)

    class Talker(Talk):
        async def subscribe(self, socket: WebSocket, token: Token) -> None:
            raise refused

    async def story(line: Line) -> None:
        if when == "connect":
            line.refusal = refused
            line.wires[0].cut()
        await line.at(1)

    line = play(monkeypatch, story, talk=Talker if when == "subscribe" else None)

    assert line.trading.is_token_doubted is about_token
    assert (line.journal.of_type("disconnect") or [{}])[-1].get("cause") in ("refused", "disconnect")


def test_who_is_refused_comes_back_later_than_who_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.refusal = ConnectionEnded(Outage("rate_limited", "too many connections"))
        line.wires[0].cut()
        await line.at(200)

    tries = play(monkeypatch, story).tries

    assert [round(later - earlier) for earlier, later in pairwise(tries[1:])] == [4, 8, 16, 32, 60, 60]


def test_the_state_of_a_connection_is_said_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Talk):
        async def locate(self, token: Token) -> Address:
            await asyncio.sleep(1)
            return await super().locate(token)

    async def story(line: Line) -> None:
        [connection] = line.connections
        seen = [connection.state]
        line.opening = lambda _: seen.append(connection.state)
        await line.at(1.5)
        seen.append(connection.state)
        line.wires[0].cut()
        await line.at(1.6)
        seen.append(connection.state)
        await connection.stop(BETWEEN)
        seen.append(connection.state)
        line.access.token = None
        connection.start()
        await line.at(1.7)
        seen.append(connection.state)
        assert seen == ["connecting", "open", "subscribed", "waiting", "idle", "waiting"]

    play(monkeypatch, story, talk=Slow)


def test_while_the_journal_takes_nothing_no_connection_is_made_and_the_gap_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.at(4)
        line.journal.failure = "no space left"
        line.wires[0].cut()
        await line.at(10)
        assert (len(line.tries), line.connections[0].state) == (1, "waiting")
        assert line.connections[0].outage == Outage("disk_full", "no space left")
        line.journal.failure = None
        await line.at(12)
        assert line.ledger.is_live(SBIN)

    line = play(monkeypatch, story)

    assert [cause for cause, _, _ in line.gaps] == ["disconnect", "disk_full"]


def test_a_message_that_the_journal_does_not_take_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(4)
        line.journal.failure, line.journal.append = "no space left", lambda *_: False  # type: ignore[method-assign]
        line.wires[0].update()
        await line.at(5)
        assert line.connections[0].counts() == (2, len(b"".join(line.journal.messages)), 0), "of what was journalled"

    line = play(monkeypatch, story)

    [ended] = line.journal.of_type("disconnect")
    assert (ended["cause"], ended["detail"]) == ("disk_full", "the journal did not take the message")
    assert len(line.journal.messages) == 2


SECRET = "s3cret-" + "k" * 40


@pytest.mark.parametrize("before", [0, 970, 990, 998])
def test_no_part_of_a_secret_is_in_what_a_server_says_wherever_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    async def story(line: Line) -> None:
        line.wires[0].text("pong")
        line.wires[0].text(f"{'x' * before} {SECRET} {'y' * 2000}")

    register_secret(Secret(SECRET))
    [said] = play(monkeypatch, story).journal.of_type("text")

    assert len(said["text"]) == 1000
    assert "s3cret" not in said["text"] and "kkkk" not in said["text"]


def count(line: Line) -> tuple[int, int]:
    return line.feed.count(SBIN).updates, line.feed.count(INFY).updates


def test_what_came_is_counted_over_all_connections_and_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        line.wires[0].update(SBIN)
        line.wires[0].give(b"odd||")
        await line.at(4)
        assert count(line) == (2, 1)
        line.wires[0].cut()
        await line.at(8)
        assert count(line) == (3, 2)
        assert line.feed.count(SBIN).last_recv_ns == line.wall_ns(line.tries[1])
        assert line.connections[0].counts() == (6, sum(map(len, line.journal.messages)), 1)
        line.feed.follow(FAR)
        await line.at(12)
        assert count(line) == (3, 2)
        line.feed.follow(NEAR)
        await line.at(13)
        assert count(line) == (4, 3)

    play(monkeypatch, story)


@pytest.mark.parametrize(("redundant", "updates"), [(True, 4), (False, 3)])
def test_of_two_connections_that_carry_the_same_the_larger_count_is_the_tally_else_the_sum(
    monkeypatch: pytest.MonkeyPatch, redundant: bool, updates: int
) -> None:
    async def story(line: Line) -> None:
        if redundant:
            first, second = line.wires
            first.update(SBIN)
            second.update(SBIN, SBIN, SBIN)
        else:
            line.wires[0].update(SBIN)
            line.hand_over("n")
            line.feed.change_token()
        await line.at(3)
        assert line.feed.count(SBIN).updates == updates

    play(monkeypatch, story, redundant=redundant, may_overlap=True)


def test_what_a_checkpoint_says_of_a_stream_is_its_last_message_of_any_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(2)
        line.wires[0].give(b"odd||")
        await line.at(4)
        assert line.feed.checkpoint()["streams"] == {0: (list(SYMBOLS), line.wall_ns(2))}
        line.wires[0].socket.end(Outage("mute", ""))
        assert line.feed.checkpoint()["streams"] == {}, "it has ended, and is not accounted for yet"

    play(monkeypatch, story)


def test_the_end_is_journalled_with_up_to_when_all_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt answer to the last ping shows that nothing is on its way: the close costs nothing."""

    async def story(line: Line) -> None:
        await line.at(7.5)
        await line.feed.stop(BETWEEN)
        line.feed.follow(NEAR)
        await line.at(9)

    assert play(monkeypatch, story).gaps == []


def test_a_server_that_says_nothing_at_the_close_is_believed_to_its_last_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.at(4)
        line.wires[0].answers = False
        await line.at(4.5)
        line.journal.write_all(line.ledger.close_window(line.now.wall_ns))
        await line.feed.stop(BETWEEN)

    line = play(monkeypatch, story)

    proven = max(each for each in line.wires[0].pings if each <= line.wall_ns(4))
    assert [("mute", line.wall_ns(begins), ends) for _, begins, ends in line.gaps] == [("mute", proven, 4.5)]
    assert line.gaps[0][0] == "mute"


def test_the_server_that_closes_has_sent_all_up_to_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(5.2)
        line.wires[0].send_close(1001)
        await line.at(8)

    line = play(monkeypatch, story)

    [(cause, begins, _)] = line.gaps
    assert (cause, begins) == ("disconnect", 5.2)
    assert "code 1001" in line.journal.of_type("disconnect")[0]["detail"]


def test_a_cut_after_the_close_of_the_window_costs_nothing_where_pings_were_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        await line.at(5)
        line.journal.write_all(line.ledger.close_window(line.now.wall_ns))
        await line.at(6.5)
        line.wires[0].cut()
        await line.at(8)

    assert play(monkeypatch, story).gaps == []


def give_late(wire: Wire) -> None:
    wire.show(SBIN)
    wire.socket.end(Outage("mute", "first"))
    wire.socket.end(Outage("refused", "second"), about_token=True)
    wire.show(INFY)


def test_the_first_reason_of_an_end_counts_and_nothing_is_taken_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        give_late(line.wires[0])
        await line.at(0.1)

    line = play(monkeypatch, story)

    assert line.journal.of_type("disconnect")[0]["detail"] == "first"
    assert line.trading.is_token_doubted is False
    assert len(line.journal.messages) == 3
