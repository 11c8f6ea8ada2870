"""Days of one lake, recorded by hand and closed by the real close; they differ in what readers get wrong.

2026-11-19  SBIN (also 50 levels), INFY and NIFTY50 on sockets; INFY has a gap from 40 s to 60 s; pre-open from 09:14:30
2026-11-20  SBIN, TCS on sockets, ITC polled alone, one poll fails; closed twice: a second generation
2026-11-23  SBIN; the clock is set back 2 s in the middle; a second host records TCS
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tests.journals import HandClock
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, SocketRecorder

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.close import Closing, close_day
from harvester.lake.day.model import Expectation
from harvester.lake.layout import Partition

TCS, ITC = "NSE:TCS-EQ", "NSE:ITC-EQ"
THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
DAYS = (THURSDAY, FRIDAY, MONDAY)
INTERVAL_NS = 5 * NS_PER_SECOND
SECONDS = 100
PRE_OPEN_SECONDS = 30
GAP = (40, 60)
LATE = 3
"""Seconds after which the snapshot of TCS comes on Friday."""
FAILED = 7
"""The poll that failed."""


def opening(day: date) -> int:
    """09:15:00 in India, wall ns."""
    return midnight_ns(day) + 33_300 * NS_PER_SECOND


class DayRecorder(SocketRecorder):
    """A run on any day: seconds count from that day's opening."""

    def __init__(self, journal: Path, day: date, *, begins: float = 0, **options: Any) -> None:
        self.opens_ns = opening(day)
        self.begins = begins
        super().__init__(journal, HandClock(self.moment(begins)), **options)

    def moment(self, seconds: float) -> int:
        return self.opens_ns + round(seconds * NS_PER_SECOND)

    def at(self, seconds: float) -> None:
        self.clock.now_ns = self.moment(seconds)

    def slot_ns(self, number: int) -> int:
        return self.moment(0) + number * self.interval_ns

    def open(self, feeds: Sequence[int] = (FYERS_HSM,), **extra: Any) -> None:
        fields = {"open_ns": self.moment(self.begins), "close_ns": self.moment(SECONDS), "interval_ns": None}
        self.control("window_open", **{**fields, "feeds": list(feeds), **extra})

    def close(self) -> None:
        self.at(SECONDS)
        self.control("window_close", open_ns=self.moment(self.begins), close_ns=self.moment(SECONDS))

    def lose(
        self, symbol: str, begin: float, end: float | None, cause: str = "disconnect", feed: int = FYERS_HSM
    ) -> str:
        gap_id = f"{self.run.run_id}-{symbol}-{begin}"
        fields = {"from_ns": self.moment(begin), "cause": cause, "detail": "as told"}
        self.control("gap_open", gap_id=gap_id, feed=feed, symbols=[symbol], **fields)
        if end is not None:
            self.control("gap_close", gap_id=gap_id, to_ns=self.moment(end))
        return gap_id


def close(
    root: Path,
    day: date,
    host: str = "lab1",
    *,
    begins: float = 0,
    polled: tuple[str, ...] = (),
    rebuild: bool = False,
    masters: Path | None = None,
) -> Closing:
    """Close a day of a host's journal into the lake that all share."""
    begin, end = (opening(day) + round(seconds * NS_PER_SECOND) for seconds in (begins, SECONDS))
    closing = close_day(
        journal=root / host / "journal",
        lake=root / "lake",
        partition=Partition(day, host),
        expectation=Expectation(
            polled, ((begin, end),), INTERVAL_NS if polled else None, 9 * NS_PER_SECOND, masters=masters
        ),
        now_ns=end + 3_600 * NS_PER_SECOND,
        rebuild=rebuild,
    )
    assert closing.certificate is not None
    return closing


def record_thursday(root: Path) -> None:
    run = DayRecorder(root / "lab1" / "journal", THURSDAY, begins=-PRE_OPEN_SECONDS)
    run.open([FYERS_HSM, FYERS_TBT])
    run.connect(0, [SBIN, NIFTY])
    run.connect(4, [INFY])
    run.connect(2, [SBIN], FYERS_TBT)
    run.snapshots(0, SBIN, NIFTY)
    run.snapshots(4, INFY)
    run.book50(2, SBIN, 1, snapshot=True)
    for number in range(1, 4 * (SECONDS + PRE_OPEN_SECONDS)):
        seconds = -PRE_OPEN_SECONDS + number / 4
        run.at(seconds)
        run.books(0, SBIN, number, *([number + 1] if number % 7 == 0 else []))
        run.quotes(0, SBIN, number)
        run.book50(2, SBIN, number)
        if seconds == GAP[0]:
            run.control("disconnect", feed=FYERS_HSM, stream=4, cause="disconnect", detail="as told")
            run.lose(INFY, *GAP)
        if seconds == GAP[1]:
            run.connect(4, [INFY])
            run.snapshots(4, INFY, number=number)
        if number % 3 == 0 and not GAP[0] <= seconds <= GAP[1]:
            run.books(4, INFY, number)
            run.quotes(4, INFY, number)
    run.close()
    run.stop()
    close(root, THURSDAY, begins=-PRE_OPEN_SECONDS)


def record_friday(root: Path) -> None:
    run = DayRecorder(root / "lab1" / "journal", FRIDAY, polled=(ITC,))
    run.open([1, FYERS_HSM], interval_ns=INTERVAL_NS)
    run.connect(0, [SBIN, TCS])
    run.snapshots(0, SBIN)
    for number in range(1, 4 * SECONDS):
        run.at(number / 4)
        run.books(0, SBIN, number)
        run.quotes(0, SBIN, number)
        if number == 4 * LATE:
            run.snapshots(0, TCS, number=number)
        if number > 4 * LATE:
            run.books(0, TCS, number, number + 1)
        if number % 20 == 0 and number // 20 != FAILED:
            run.poll(number // 20, ITC)
    run.gap(ITC, FAILED, FAILED + 1, "timeout")
    run.close()
    run.stop()
    close(root, FRIDAY, polled=(ITC,))
    again = DayRecorder(root / "lab1" / "journal", FRIDAY, begins=SECONDS + 5)
    again.connect(0, [SBIN])
    again.snapshots(0, SBIN)
    again.stop()
    assert close(root, FRIDAY, polled=(ITC,), rebuild=True).outcome == "closed"


def record_monday(root: Path) -> None:
    run = DayRecorder(root / "lab1" / "journal", MONDAY)
    run.open()
    run.connect(0, [SBIN])
    run.snapshots(0, SBIN)
    for number in range(1, 4 * SECONDS):
        run.at(number / 4 if number < 200 else number / 4 - 2)
        run.books(0, SBIN, number)
    run.close()
    run.stop()
    close(root, MONDAY)
    other = DayRecorder(root / "lab2" / "journal", MONDAY)
    other.open()
    other.connect(0, [TCS])
    other.snapshots(0, TCS)
    other.books(0, TCS, 1)
    other.close()
    other.stop()
    close(root, MONDAY, "lab2")


def record_all(root: Path) -> Path:
    """All days; the lake's folder."""
    for record in (record_thursday, record_friday, record_monday):
        record(root)
    return root / "lake"
