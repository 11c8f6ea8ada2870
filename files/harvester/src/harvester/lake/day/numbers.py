"""The numbers of a segment's records: `seq` counts those of a run without a hole, so what is lost can be counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from harvester.journal.format import CONTROL, HEADER, Record
from harvester.journal.reader import control_of

NumberRange = tuple[int, int]
"""Numbers [first, last] of records of a run."""


class Edge(NamedTuple):
    """A record beside something that is lost: its number, and its receipt in wall ns."""

    seq: int
    wall_ns: int


class Hole(NamedTuple):
    """Bytes [start, end) of a segment that are no record of it, and the records on both sides; None: none there."""

    start: int
    end: int
    before: Edge | None
    after: Edge | None


@dataclass
class Numbers:
    """What the numbers of a segment's records are, in the order of the file."""

    first: Edge | None = None
    holes: list[Hole] = field(default_factory=list)
    sealed: bool = False
    """Whether its last record is a seal, and nothing follows."""
    skipped: list[NumberRange] = field(default_factory=list)
    """Numbers that an earlier segment of the run has, too: these records are read there."""
    _last: Record | None = None
    _end: int = 0
    _had: list[NumberRange] = field(default_factory=list)

    @classmethod
    def of_whole(cls, first: Edge, last: Edge) -> Self:
        """Those of a sealed segment without a hole."""
        return cls(first, sealed=True, _last=Record(CONTROL, 0, 0, *last, 0, b""))

    def take(self, offset: int, record: Record, read: Iterable[NumberRange]) -> bool:
        """Note a record; whether it is the first with its number. `read`: numbers of the run in earlier segments."""
        before = self._last
        if before is None:
            self.first = Edge(record.seq, record.wall_ns)
            self._had = [each for each in read if each[1] >= record.seq]
        if offset > self._end or (before and record.seq != before.seq + 1):
            self.holes.append(Hole(self._end, offset, self.last, Edge(record.seq, record.wall_ns)))
        self._last, self._end = record, offset + HEADER.size + len(record.payload)
        if not self._had or not any(first <= record.seq <= last for first, last in self._had):
            return True
        if self.skipped and self.skipped[-1][1] == record.seq - 1:
            self.skipped[-1] = (self.skipped[-1][0], record.seq)
        else:
            self.skipped.append((record.seq, record.seq))
        return False

    def finish(self, size: int) -> None:
        """The segment has `size` bytes."""
        self.sealed = size == self._end and control_of(self._last, "seal") is not None
        if size > self._end:
            self.holes.append(Hole(self._end, size, self.last, None))

    @property
    def last(self) -> Edge | None:
        """The last record."""
        return Edge(self._last.seq, self._last.wall_ns) if self._last else None

    def ranges(self) -> list[NumberRange]:
        """The numbers that it has."""
        last = self.last
        if self.first is None or last is None:
            return []
        inner = [(hole.before.seq, hole.after.seq) for hole in self.holes if hole.before and hole.after]
        starts = [self.first.seq, *(after for _, after in inner)]
        ends = [*(before for before, _ in inner), last.seq]
        return list(zip(starts, ends, strict=True))

    def has_skipped(self, seq: int) -> bool:
        """Whether the record with this number is read in another segment."""
        return any(first <= seq <= last for first, last in self.skipped)
