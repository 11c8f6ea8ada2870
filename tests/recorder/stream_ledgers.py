"""Streamed ledgers of one feed, number 2, in a window of 1,000 ns, and the records they return."""

from functools import partial

from tests.recorder import gap_records
from tests.recorder.gap_records import closed

from harvester.ledger.outage import Outage
from harvester.ledger.streams import NOT_YET, StreamLedger

WINDOW = (1000, 2000)
LOST = Outage("disconnect", "connection reset")
MUTE = Outage("mute", "silent for 60 s")

opened = partial(gap_records.opened, feed=2)


def of(symbols: str = "A") -> StreamLedger:
    return StreamLedger("run", 2, symbols)


def live(*streams: tuple[int, int]) -> StreamLedger:
    """In the window, with a snapshot of A on each of these streams at its moment; the first gap is closed."""
    ledger = of()
    assert ledger.open_window(WINDOW) == [opened("run-2-1", "A", 1000, NOT_YET)]
    for stream, wall_ns in streams:
        ledger.mark_live("A", stream, wall_ns)
    assert ledger.open_gaps == []
    return ledger


def whole(number: int, from_ns: int, to_ns: int, outage: Outage) -> list[dict[str, object]]:
    """Both records of a gap whose end is known."""
    return [opened(f"run-2-{number}", "A", from_ns, outage), closed(f"run-2-{number}", to_ns)]
