"""Writes the segments of both golden days. They are committed: run it only for a new golden day, with its reason.

python -m tests.golden.make_journals
"""

import tarfile
import tempfile
from itertools import cycle
from pathlib import Path

from tests.golden.artefacts import run_part
from tests.golden.still import stand_still, wall

JOURNALS = Path(__file__).parent / "journals"
LATE_NS = wall("2026-11-23T09:16:35+05:30")
"""Segments from here on come after the first close."""


def tell(journal: Path) -> None:
    """The day: 100 s from 09:15:00, polls every 5 s, both sockets; each batch ends with what a run left."""
    from tests.golden.production import CAUSES, FYERS_HSM, FYERS_TBT
    from tests.journals import SYMBOLS, HandClock
    from tests.storage.lake.sockets import INFY, NIFTY, SBIN, SocketRecorder, moment

    tcs, itc = "NSE:TCS-EQ", "NSE:ITC-EQ"
    polled = (*SYMBOLS, tcs, itc)
    three = (SBIN, INFY, NIFTY)
    both = (FYERS_HSM, FYERS_TBT)

    def connect_all(run: SocketRecorder, attempt: int) -> None:
        for stream in (0, 1):
            run.connect(stream, three, attempt=attempt)
            run.snapshots(stream, *three, number=attempt)
        run.connect(0, (SBIN, tcs), FYERS_TBT, attempt=attempt)
        for symbol in (SBIN, tcs):
            run.book50(0, symbol, attempt, snapshot=True)

    def trade(run: SocketRecorder, second: int, streams: tuple[int, ...] = (0, 1)) -> None:
        for stream in streams:
            run.at(second + 0.3 + 0.01 * stream)
            run.books(stream, SBIN, second, second + 1)
            run.quotes(stream, INFY, second)
            run.quotes(stream, SBIN, second)
            run.books(stream, INFY, second)

    # The first run begins late, loses connections, and is killed at 47 s.
    clock = HandClock(moment(7))
    run = SocketRecorder(journal, clock, polled=polled, segment_seconds=15)
    run.control("token", version="file:00000001", expires_at_ns=moment(30_000))
    run.open(both, interval_ns=5_000_000_000, phases=["continuous"])
    for number, symbol in enumerate(three):
        run.lose(symbol, 0, 8 + number / 10, "not_started")
    run.at(8)
    connect_all(run, 1)
    measured = {"measured_ns": moment(9), "reference": "A9FEA97B", "stratum": 3}
    run.control("clock", source="chrony", offset_ns=-1200, error_ns=90_000, **measured)
    for number in range(2, 9):
        run.at(5 * number)
        run.poll_all(*(() if number == 6 else (number,)))
        trade(run, 5 * number, (0,) if number == 7 else (0, 1))
        run.book50(0, SBIN, number, sequence=40 if number == 4 else None)
        run.book50(0, tcs, number)
    run.poll(6, SBIN, status=500, body=b"upstream failed")
    run.poll(6, INFY, body=b'{"s":"ok","d":{')
    run.poll(6, tcs, status=429, body=b'{"s":"error","code":-429,"message":"slow down"}')
    run.gap(itc, 6, 7, "timeout", "no whole answer within 4 s")
    run.control("text", feed=FYERS_HSM, stream=0, text="hello from the server")
    run.control("oversize", feed=FYERS_HSM, stream=1, bytes=2_000_000)
    run.at(43)
    run.control("disconnect", feed=FYERS_HSM, stream=1, cause="disconnect", detail="the connection was cut")
    run.at(43.5)
    run.connect(1, three, attempt=2)
    run.snapshots(1, *three, number=43)
    run.control("disconnect", feed=FYERS_TBT, stream=0, cause="server_error", detail="HTTP 502 instead of an upgrade")
    run.lose(SBIN, 40.3, None, "server_error", FYERS_TBT)
    run.control("clock_step", delta_ns=250_000_000)
    run.control("clock", offset_ns=12_000_000_000, off=True)
    run.poll_all(9)
    run.at(47)
    run.books(0, SBIN, 47)
    run.die()

    # The second begins at 58 s and goes through every cause.
    clock.now_ns = moment(58)
    run = SocketRecorder(journal, clock, polled=polled, segment_seconds=15)
    run.open(both, interval_ns=5_000_000_000, phases=["continuous"])
    for symbol in SYMBOLS:
        run.gap(symbol, 10, 12, "not_running", "an earlier run of the recorder had ended")
    for symbol in three:
        run.lose(symbol, 47, 60, "not_running")
    run.at(60)
    connect_all(run, 1)
    causes = cycle(CAUSES)
    for number in range(12, 19):
        run.at(5 * number)
        run.poll_all(*(() if number == 15 else (number,)))
        if number != 16:
            trade(run, 5 * number)
        for symbol, feed in ((NIFTY, FYERS_HSM), (tcs, FYERS_TBT), (INFY, FYERS_HSM)):
            begin = 5 * number + 1
            run.lose(symbol, begin, begin + 0.5, next(causes), feed)
            run.lose(symbol, begin + 1, begin + 1.25, next(causes), feed)
    for number, symbol in zip((15, 15, 15, 15), polled, strict=True):
        run.gap(symbol, number, number + 1, next(causes))
    run.gap(SBIN, 19, None, "stopped", "the recorder was told to stop")
    run.lose(SBIN, 94, None, "a cause that nobody knows")
    run.control("gap_open", gap="of a form that nobody knows")
    run.frame(FYERS_HSM, 0, b"\x00\x07not a frame")
    run.frame(9, 0, b"of a feed that nobody knows")
    run.at(95)
    run.stop()

    # The third was on another disk: it comes after the first close.
    clock.now_ns = moment(95.5)
    run = SocketRecorder(journal, clock, polled=polled)
    run.open(both, interval_ns=5_000_000_000, phases=["continuous"])
    run.connect(0, three, attempt=1)
    run.snapshots(0, *three, number=96)
    run.lose(INFY, 95, 95.5, "not_running")
    run.poll(19, INFY)
    run.poll(19, tcs)
    run.at(98)
    run.quotes(0, SBIN, 98)
    run.close()
    run.stop()


def spoil(journal: Path) -> None:
    """What disks and kills do: a record torn at the end of the open file, one damaged in it and in a sealed one."""
    (opened,) = journal.glob("*/*.open")
    content = bytearray(opened.read_bytes())
    content[len(content) // 2] ^= 0xFF
    opened.write_bytes(content + content[-400:-300])
    sealed = sorted(journal.glob("*/*.seg"))[1]
    content = bytearray(sealed.read_bytes())
    content[len(content) // 3] ^= 0xFF
    sealed.write_bytes(content)
    (opened.parent / "9000000000000000000-7.open").write_bytes(b"no record at all")


def make() -> None:
    """The day that is told by hand."""
    stand_still(0)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder)
        tell(journal)
        spoil(journal)
        found = sorted(journal.glob("*/*.*"))
        late = [path for path in found if path.suffix == ".seg" and int(path.name.partition("-")[0]) >= LATE_NS]
        keep(journal, [path for path in found if path not in late], "made-first")
        keep(journal, late, "made-second")


def take_over() -> None:
    """The day that the scripted recorder recorded."""
    with tempfile.TemporaryDirectory() as folder:
        run_part("recorder", Path(folder))
        journal = Path(folder) / "data/journal"
        keep(journal, sorted(journal.glob("*/*.seg")), "recorded")


def keep(journal: Path, segments: list[Path], batch: str) -> None:
    """Commit these segments as one small file."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        return entry.replace(mtime=0, mode=0o640, uid=0, gid=0, uname="", gname="", deep=False)

    with tarfile.open(JOURNALS / f"{batch}.tar.xz", "w:xz", preset=9) as archive:
        for path in segments:
            archive.add(path, path.relative_to(journal), filter=plain)


if __name__ == "__main__":
    take_over()
    make()
