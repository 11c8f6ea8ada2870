"""A feed whose symbols are of several segments: at a start each ledger ends what its own symbols left, and no more."""

from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import Mock

import pytest
from tests.recorder.fakes import FakeClock, make_settings
from tests.recorder.gap_records import closed

from harvester.capture.context import RecorderContext
from harvester.capture.feed import Turn
from harvester.capture.polls import PollFeed
from harvester.journal.format import FYERS_HSM, FYERS_REST, RunInfo
from harvester.ledger.gaps import ControlRecord, FeedHistory, Gap, Ledger, Window
from harvester.ledger.outage import STALL
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger

EVERY = CASH, GOLD, GONE = "NSE:SBIN-EQ", "MCX:GOLD26AUGFUT", "NSE:GONE-EQ"
SYMBOLS = {"nse_cash": CASH, "mcx": GOLD}
SECOND = 1_000_000_000
OPENS = 1_785_904_200 * SECOND
WINDOWS: dict[str, Window] = {"nse_cash": (OPENS, OPENS + 60 * SECOND), "mcx": (OPENS, OPENS + 600 * SECOND)}


def of_a_socket(_: Path) -> Mapping[str, Ledger]:
    return SegmentLedgers({name: StreamLedger(name, FYERS_HSM, [symbol]) for name, symbol in SYMBOLS.items()}).parts


def of_polls(folder: Path) -> Mapping[str, Ledger]:
    return polls(folder).ledgers


def polls(folder: Path, down_for: Callable[[], int] | None = None, sink: Mock | None = None) -> PollFeed:
    run, clock = RunInfo("h", "r", "0", dict(enumerate(SYMBOLS.values()))), FakeClock(OPENS)
    fallback = {"feeds": ["fyers-rest", "fyers-hsm"], "poll": {"when": "fallback", "fallback_seconds": 5}}
    settings = make_settings(folder, symbols=[*SYMBOLS.values()], **(fallback if down_for else {}))
    parts = {symbol: name for name, symbol in SYMBOLS.items()}
    context = RecorderContext(settings, run, clock, Mock(), sink or Mock(), Mock(), segments=parts)  # type: ignore[arg-type]
    return PollFeed(context, Mock(number=FYERS_REST), down_for=down_for)


@pytest.mark.parametrize("make", [of_a_socket, of_polls])
@pytest.mark.parametrize("first", SYMBOLS)
def test_a_gap_ends_in_the_window_of_its_own_symbol(
    tmp_path: Path, make: Callable[[Path], Mapping[str, Ledger]], first: str
) -> None:
    """The run died after the shorter window's close; a symbol that is in no ledger is whoever's comes first."""
    left = {f"old-{symbol}": Gap(f"old-{symbol}", symbol, OPENS + 5 * SECOND, "mute", "") for symbol in EVERY}
    history = FeedHistory(opened=dict(left), last_wall_ns=OPENS + 100 * SECOND)
    ledgers, now_ns = make(tmp_path), OPENS + 200 * SECOND
    other = next(name for name in SYMBOLS if name != first)

    ended = {
        name: [each for each in ledgers[name].resume(WINDOWS[name], history, now_ns) if each["gap_id"] in left]
        for name in (first, other)
    }

    ends = {"nse_cash": OPENS + 60 * SECOND, "mcx": OPENS + 100 * SECOND}
    assert ended[first] == [closed(f"old-{symbol}", ends[first]) for symbol in (SYMBOLS[first], GONE)]
    assert ended[other] == [closed(f"old-{SYMBOLS[other]}", ends[other])]
    assert history.opened == {}


def test_polls_begin_and_end_in_place_of_a_socket_in_each_segment_that_has_a_window(tmp_path: Path) -> None:
    """While it is down for less than the five seconds, and while it comes back, nothing changes."""
    down_ns, written, found = [0], list[ControlRecord](), []
    feed = polls(tmp_path, lambda: down_ns[0], Mock(write_all=written.extend))
    for name in ("mcx", "nse_cash"):
        feed.ledgers[name].open_window(WINDOWS[name])
        for down_ns[0] in (5 * SECOND - 1, 5 * SECOND, 6 * SECOND, 1, 0, 0):
            feed.follow(Turn(OPENS + SECOND // 2, 0, is_near=True, hold=None, late=STALL))
            found.append(sorted(written, key=len))
            written.clear()

    begins = {"type": "polling", "from_ns": OPENS + SECOND, "interval_ns": SECOND}
    ends, gold = {"type": "polling_end", "to_ns": OPENS + SECOND}, {"segment": "mcx"}
    of_mcx, of_both = (
        [[], first, [], [], last, []]
        for first, last in (([begins | gold], [ends | gold]), ([begins, begins | gold], [ends, ends | gold]))
    )
    assert found == of_mcx + of_both
