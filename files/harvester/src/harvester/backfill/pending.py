"""The backfill's own journal: its sealed segments that the lake does not have yet, and the answers in them."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.brokers.fyers.history import read_extent
from harvester.calendar.periods import first_day, next_first_day
from harvester.config.resolutions import parse_resolution
from harvester.journal.format import DATA, FYERS_BACKFILL, BackfillAnswer, decode_backfill
from harvester.journal.reader import control_of, read_segment
from harvester.journal.segment import SEALED
from harvester.lake.layout import history_of
from harvester.lake.manifest import load_manifest


class Answer(NamedTuple):
    """One answer, and where it is: receipt in wall ns, the run, the number of its record."""

    symbol: str
    said: BackfillAnswer
    recv_ns: int
    run_id: str
    seq: int


def pending_segments(journal: Path, lake: Path, host: str) -> list[Path]:
    """Sealed segments of the backfill that no manifest lists, in order. Raises HarvesterError."""
    found = []
    for folder in sorted(journal.glob("????-??-??")):
        manifest = load_manifest(lake, history_of(date.fromisoformat(folder.name), host))
        known = {segment.name for segment in manifest.segments} if manifest else set()
        found += [path for path in folder.glob(f"[!.]*{SEALED}") if path.stem not in known]
    return sorted(found, key=lambda path: (path.parent.name, int(path.stem.partition("-")[0])))


def spoken_for(said: BackfillAnswer) -> tuple[date, date]:
    """The days that an answer with data speaks for, both included: those that were asked for, if it has no candle.

    One that has some speaks from its first to its last: brokers cut long answers short, and some keep the new end. What
    is left at either end is asked for by itself, until an answer has nothing.
    """
    return stretch_of(said, read_extent(said.body))


def stretch_of(said: BackfillAnswer, extent: tuple[int, int] | None) -> tuple[date, date]:
    """The same of who has read the answer: the begins of its first and last candle, in seconds since 1970, in order."""
    if extent is None:
        return said.first, said.last
    name = parse_resolution(said.resolution).name
    earliest, latest = (to_local(begin_s * NS_PER_SECOND).date() for begin_s in extent)
    last = next_first_day(name, first_day(name, latest)) - timedelta(days=1)
    return max(said.first, min(first_day(name, earliest), said.last)), min(said.last, max(last, said.first))


def read_answers(segments: list[Path]) -> Iterator[Answer]:
    """The answers in segments, in their order. Raises JournalError for one that cannot be read."""
    for path in segments:
        symbols: dict[str, str] = {}
        run_id = ""
        for record in read_segment(path):
            if head := control_of(record, "segment"):
                symbols, run_id = head.get("candles") or {}, str(head.get("run_id", ""))
            if record.kind != DATA or record.feed != FYERS_BACKFILL:
                continue
            said, symbol = decode_backfill(record.payload), symbols.get(str(record.stream))
            if said and symbol:
                yield Answer(symbol, said, record.wall_ns, run_id, record.seq)
