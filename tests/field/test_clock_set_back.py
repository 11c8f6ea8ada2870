"""A clock that is set back while a host records: order is that of the journal, and no number was missed."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests import lake_rows
from tests.journals import OPEN_NS, HandClock
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, SBIN, SocketRecorder

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.reader.export import export_csv
from harvester.reader.verify import verify_lake

BACK_NS = 2 * NS_PER_SECOND


class SteppedClock(HandClock):
    """A wall clock that is set back under a monotonic one that goes on."""

    back_ns = 0

    def mono_ns(self) -> int:
        return super().mono_ns() + self.back_ns

    def set_back(self, nanoseconds: int = BACK_NS) -> None:
        self.now_ns -= nanoseconds
        self.back_ns += nanoseconds

    def go_on(self) -> None:
        """A tenth of a second later."""
        self.now_ns += NS_PER_SECOND // 10


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path, SteppedClock())


def rows(place: StreamedPlace, kind: str, symbol: str = SBIN) -> list[dict[str, Any]]:
    return [row for row in lake_rows.rows(place.current(kind)) if row["symbol"] == symbol]


def record(place: StreamedPlace, recorder: SocketRecorder, *, back_at: int, count: int = 400) -> None:
    """So many messages of both sockets, a tenth of a second apart; the clock is set back before one of them."""
    assert isinstance(place.clock, SteppedClock)
    recorder.connect(0, [SBIN, INFY])
    recorder.connect(0, [SBIN], FYERS_TBT)
    recorder.snapshots(0, SBIN, INFY)
    recorder.book50(0, SBIN, 1, snapshot=True)
    for number in range(1, count):
        place.clock.go_on()
        if number == back_at:
            place.clock.set_back()
            recorder.control("clock_step", delta_ns=-BACK_NS)
        recorder.quotes(0, SBIN, number)
        recorder.books(0, SBIN, number)
        recorder.book50(0, SBIN, number)
    recorder.close()


@pytest.mark.parametrize("segment_bytes", [1 << 30, 20_000])
def test_a_complete_feed_is_complete(place: StreamedPlace, segment_bytes: int) -> None:
    """With many segments those after the step have earlier names than those before it."""
    recorder = place.sockets(segment_bytes=segment_bytes)
    recorder.open((FYERS_HSM, FYERS_TBT))
    record(place, recorder, back_at=200)
    recorder.stop()
    place.close()

    numbers = place.facts(SBIN, "fyers-tbt")["sequence"]
    assert (numbers["missing"], numbers["repeated"]) == (0, 0)
    assert [gap.cause for gap in place.gaps(SBIN)] == []
    assert [row["sequence"] for row in rows(place, "depth50")] == list(range(1, 401))
    assert not any(not row["valid"] for row in rows(place, "depth50"))
    for kind, count in (("depth", 400), ("quotes", 400), ("depth50", 400)):
        found = rows(place, kind)
        assert len(found) == count
        assert all(one["seq"] < other["seq"] for one, other in pairwise(found)), kind
        assert [row["ts_recv"] for row in found] != sorted(row["ts_recv"] for row in found), "it was set back"
    assert [row["bid_px_paise"][0] for row in rows(place, "depth")] == [79_995 + number for number in range(400)]
    assert [row["volume"] for row in rows(place, "quotes")] == [1_000 + number for number in range(400)]
    assert [row["ltp_paise"] for row in rows(place, "quotes")] == [80_000 + number for number in range(400)]
    assert verify_lake(place.lake).ok


def test_polls_and_updates_are_in_the_order_of_the_journal(place: StreamedPlace) -> None:
    assert isinstance(place.clock, SteppedClock)
    recorder = place.sockets(polled=(SBIN,))
    recorder.open([1, FYERS_HSM], interval_ns=5 * NS_PER_SECOND)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    for slot in range(20):
        if slot == 10:
            place.clock.set_back()
        recorder.poll(slot, SBIN)
        recorder.books(0, SBIN, slot)
        place.clock.now_ns += NS_PER_SECOND
    recorder.close()
    recorder.stop()
    place.close()

    found = rows(place, "depth")
    assert [row["seq"] for row in found] == sorted(row["seq"] for row in found)
    assert [row["feed"] for row in found] == ["fyers-hsm", *["fyers-rest", "fyers-hsm"] * 20]


def test_a_run_that_began_after_the_step_comes_after_the_run_before_it(place: StreamedPlace) -> None:
    """One boot: its monotonic clock tells the order of its runs."""
    assert isinstance(place.clock, SteppedClock)
    first = place.sockets()
    first.open()
    first.connect(0, [SBIN])
    first.at(30)
    first.snapshots(0, SBIN)
    first.stop()
    place.clock.set_back(40 * NS_PER_SECOND)
    second = place.sockets()
    second.open()
    second.connect(0, [SBIN])
    second.snapshots(0, SBIN, number=1)
    second.close()
    second.stop()
    place.close()

    assert [row["run_id"] for row in rows(place, "quotes")] == [first.run.run_id, second.run.run_id]
    assert verify_lake(place.lake).ok


def test_bars_are_one_a_minute_and_in_order(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    record(place, recorder, back_at=610, count=900)  # back over the full minute
    recorder.stop()
    place.close()

    found = rows(place, "bars")
    assert [(row["ts_begin"] - OPEN_NS) // NS_PER_SECOND for row in found] == [0, 60]
    assert sum(row["updates"] for row in found) == 900
    assert [row["open_paise"] for row in found] == [80_000, 80_600]


def test_a_csv_has_a_line_for_each_time_with_what_had_come_by_then(place: StreamedPlace, tmp_path: Path) -> None:
    recorder = place.sockets()
    recorder.open()
    record(place, recorder, back_at=200)
    recorder.stop()
    place.close()

    path, count = export_csv(place.lake, place.partition.date, tmp_path, [SBIN])

    assert count == 20
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    prices = [float(line[2]) for line in lines]
    assert prices == sorted(prices) and prices[-1] == 803.99
