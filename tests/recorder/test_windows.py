"""Windows that change or end otherwise than planned, and starts after an end that was not planned either."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.recorder.bench import Bench, JournalView, hand_over, running
from tests.recorder.fakes import FakeClock, make_calendar
from tests.recorder.minute import DAY, OPEN_NS, SBIN, SECOND, at, record, words

from harvester.capture.feed import Feed, SymbolCounters, Turn
from harvester.capture.history import ReplayedFeed
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_HSM, RunInfo, day_directory
from harvester.journal.writer import JournalWriter
from harvester.ledger.outage import Outage
from harvester.ledger.streams import StreamLedger
from harvester.tokens.handover import HandoverReader, write_handover


class Socket(Feed):
    """A socket feed of one symbol that does as told: its ledger is real, the rest is not there."""

    name, number, messages = "fyers-hsm", FYERS_HSM, 0

    def __init__(self) -> None:
        self.ledger: StreamLedger = StreamLedger("run", FYERS_HSM, [SBIN])
        self.changes = 0

    @property
    def ledgers(self) -> dict[str, StreamLedger]:  # type: ignore[override]
        return {"nse_cash": self.ledger}

    def follow(self, turn: Turn) -> None:
        pass

    def change_token(self) -> None:
        self.changes += 1

    def recall(self, history: ReplayedFeed) -> None:
        pass

    def checkpoint(self) -> dict[str, Any]:
        return {"streams": {}, "topics": {}, **self.ledger.checkpoint()}

    @property
    def symbols(self) -> list[str]:
        return []

    def count(self, symbol: str) -> SymbolCounters:
        return SymbolCounters()

    async def stop(self, outage: Outage) -> None:
        pass


def of_feed(ledger: JournalView, feed: int | None = FYERS_HSM) -> list[tuple[str, float, float | None]]:
    """Cause and bounds, in seconds after the open, of the gaps of SBIN's socket; with None of its polls."""
    found = [gap for gap in ledger.gaps.values() if gap.get("feed") == feed and gap["symbols"] == [SBIN]]
    return [
        (gap["cause"], (gap["from_ns"] - OPEN_NS) / SECOND, gap["to_ns"] and (gap["to_ns"] - OPEN_NS) / SECOND)
        for gap in found
    ]


def test_a_session_that_is_made_longer_goes_on_where_it_was(settings: Settings) -> None:
    clock, socket = at(-5), Socket()
    hand_over(settings, clock)
    assert settings.calendar.file is not None
    path = settings.calendar.file

    async def story(bench: Bench) -> None:
        await clock.advance(6)
        bench.sink.write_all(socket.ledger.mark_live(SBIN, 0, clock.wall_ns()))
        await clock.advance(9)
        bench.sink.write_all(socket.ledger.mark_lost(0, clock.wall_ns(), Outage("disconnect", "")))
        await clock.advance(15.5)
        make_calendar(path, DAY, {"continuous": [["10:00:00", "10:01:10"]]}, "2099-01-01")
        await clock.advance(60)

    ledger = record(settings, clock, story, None, socket)

    opening, cut, rest = of_feed(ledger)
    assert opening == ("not_started", 0, 1)
    assert cut[:2] == ("disconnect", 10)
    assert cut[2] is not None
    assert 25 <= cut[2] <= 28
    assert rest == ("disconnect", cut[2], 70), "not counted anew from the opening"
    assert [closed["close_ns"] - OPEN_NS for closed in ledger.of_type("window_close")][-1] == 70 * SECOND
    polls = {slot for slot in ledger.data[SBIN] if slot >= OPEN_NS}
    assert len(polls) == 70


def test_a_clock_set_forward_over_the_close_is_why_the_rest_is_missing(settings: Settings, clock: FakeClock) -> None:
    async def story(bench: Bench) -> None:
        await clock.advance(35.5)
        clock.step(300)
        await clock.advance(5)

    ledger = record(settings, clock, story)

    assert words(ledger) == {"data": 31, "clock_step": 29}


@pytest.mark.parametrize(("cause", "pass_by"), [("stall", FakeClock.freeze), ("clock_step", FakeClock.step)])
def test_a_window_that_comes_and_goes_unseen_is_a_gap_in_the_journal(
    settings: Settings, cause: str, pass_by: Callable[[FakeClock, float], None]
) -> None:
    clock, socket = at(-5), Socket()
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(2)
        bench.sink.write_all(socket.ledger.mark_live(SBIN, 0, clock.wall_ns()))
        pass_by(clock, 300)
        await clock.advance(5)
        bench.sink.write_all(socket.ledger.mark_lost(0, clock.wall_ns(), Outage("disconnect", "")))

    ledger = record(settings, clock, story, None, socket)

    assert of_feed(ledger) == of_feed(ledger, None) == [(cause, 0, 60)]
    assert len(ledger.of_type("window_open")) == len(ledger.of_type("window_close")) == 1


def test_a_clock_set_back_over_the_close_counts_what_comes_again_only(settings: Settings) -> None:
    clock, socket = at(-5), Socket()
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        await clock.advance(6)
        bench.sink.write_all(socket.ledger.mark_live(SBIN, 0, clock.wall_ns()))
        await clock.advance(60)
        bench.sink.write_all(socket.ledger.mark_lost(0, clock.wall_ns(), Outage("stopped", "")))
        clock.step(-4)
        await clock.advance(10)

    ledger = record(settings, clock, story, None, socket)

    opening, again = of_feed(ledger)
    assert opening == ("not_started", 0, 1)
    assert again[0] == "stopped"
    assert again[1] >= 55
    assert again[2] == 60


def test_nothing_in_the_journal_keeps_the_recorder_from_starting(settings: Settings) -> None:
    clock = at(20)
    hand_over(settings, clock)
    run = RunInfo(host_id="test1", release="other", config_hash="0", streams={0: SBIN})
    with JournalWriter(settings.journal_dir, clock=clock, run=run) as writer:
        writer.append_control({"type": "gap_open", "gap": "as a release to come may write it"})
        writer.append_control({"type": "state", "open": [[1]]})
    day = day_directory(settings.journal_dir, DAY)
    planted = list(day.iterdir())
    unreadable = day / "9000000000000000000-1.seg"
    unreadable.mkdir()

    async def start() -> None:
        async with running(settings, clock) as bench:
            await clock.advance(60)
            await bench.stop()

    asyncio.run(start())
    unreadable.rmdir()
    for path in planted:
        path.unlink()

    assert words(JournalView(settings.journal_dir)) == {"not_running": 20, "data": 40}


def test_an_agent_that_starts_again_changes_no_token(settings: Settings) -> None:
    clock, socket = at(-5), Socket()
    hand_over(settings, clock)
    handover = settings.token.handover
    token = HandoverReader(handover).read_new()
    assert token

    async def story(bench: Bench) -> None:
        await clock.advance(20)
        for _ in range(3):
            write_handover(handover, token)
            await clock.advance(2)
        assert (socket.changes, bench.access.token) == (1, token)
        write_handover(handover, token._replace(version="file:00000002"))
        await clock.advance(2)
        assert socket.changes == 2
        handover.write_text("not a handover")
        await clock.advance(2)
        write_handover(handover, token._replace(version="file:00000002"))
        await clock.advance(2)
        assert socket.changes == 2

    ledger = record(settings, clock, story, None, socket)

    assert [token["version"] for token in ledger.of_type("token")] == ["file:00000001", "file:00000002"]
