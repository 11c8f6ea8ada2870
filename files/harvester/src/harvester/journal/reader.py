"""Reading segments: every undamaged record, none that is not one, in memory that does not grow with the file."""

import errno
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from harvester.journal.format import (
    CONTROL,
    DATA,
    HEADER,
    MAGIC,
    PREFIX,
    JournalError,
    Record,
    decode,
    decode_control,
    most_bytes,
)

CHUNK_BYTES = 1 << 20
COMPRESSED = ".zst"
Unpacking = Callable[[BinaryIO], BinaryIO]
ARCHIVED: dict[str, Unpacking] = {}
"""Suffix of each archived form of a segment, and what makes of such an open file the segment as it was.

Forms whose reading needs more than the journal may import are put in here by who knows them.
"""


class SegmentScan(NamedTuple):
    """What a whole segment holds. Byte ranges are [from, to) in the uncompressed file."""

    size: int
    records: int
    data_records: int
    first_seq: int | None
    last_seq: int | None
    last_wall_ns: int | None
    valid_end: int
    """Where the last undamaged record ends."""
    damaged: tuple[tuple[int, int], ...]
    header: dict[str, Any] | None
    """The control record `segment` with which it begins."""
    sealed: bool
    """Whether its last record is a seal."""


class RecordStream:
    """The records of an open binary file with their offsets; afterwards `damaged` and `size` are complete.

    A record counts when its magic, length limit and checksum are right and its number is higher than the one before.
    After bytes that are no record the search goes on at the next magic, so a wrong length costs nothing behind it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.damaged: list[tuple[int, int]] = []
        self.repeated = 0
        """Whole records whose number is not higher than that of the one before; their bytes are in `damaged`."""
        self.valid_end = 0
        self._file = file
        self._buffer = b""
        self._base = 0  # offset of the buffer in the file
        self._at = 0  # position in the buffer
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes read so far."""
        return self._base + len(self._buffer)

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        last_seq = -1
        while self._has(1):
            record = self._match()
            if record is None:
                self._skip_to(self._next_start())
                continue
            end = self._at + HEADER.size + len(record.payload)
            if record.seq <= last_seq:
                self.repeated += 1
                self._skip_to(end)
                continue
            last_seq = record.seq
            offset = self._base + self._at
            self._at = end
            self.valid_end = self._base + end
            yield offset, record

    def _has(self, count: int) -> bool:
        while len(self._buffer) - self._at < count and not self._ended:
            chunk = self._file.read(CHUNK_BYTES)
            self._ended = not chunk
            self._buffer = self._buffer[self._at :] + chunk
            self._base += self._at
            self._at = 0
        return len(self._buffer) - self._at >= count

    def _match(self) -> Record | None:
        if not self._has(HEADER.size):
            return None
        magic, length, _ = PREFIX.unpack_from(self._buffer, self._at)
        kind = self._buffer[self._at + PREFIX.size]
        if magic != MAGIC or length > most_bytes(kind) or not self._has(HEADER.size + length):
            return None
        return decode(self._buffer[self._at : self._at + HEADER.size + length])

    def _next_start(self) -> int:
        """Position of the next magic, or as far as there is surely none."""
        found = self._buffer.find(MAGIC, self._at + 1)
        if found >= 0:
            return found
        keep = 0 if self._ended else len(MAGIC) - 1
        return max(self._at + 1, len(self._buffer) - keep)

    def _skip_to(self, position: int) -> None:
        start, end = self._base + self._at, self._base + position
        if self.damaged and self.damaged[-1][1] == start:
            start = self.damaged.pop()[0]
        self.damaged.append((start, end))
        self._at = position


class _Inflated:
    """A compressed segment as the file it was; broken compression is an OSError like any other unreadable file."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard  # only who reads archives pays for it

        self._error = zstandard.ZstdError
        self._file = file
        self._reader = zstandard.ZstdDecompressor().stream_reader(file)

    def read(self, count: int) -> bytes:
        try:
            return self._reader.read(count)
        except self._error as error:
            raise OSError(errno.EBADMSG, f"broken compression: {error}") from error

    def close(self) -> None:
        self._file.close()


ARCHIVED[COMPRESSED] = lambda file: cast(BinaryIO, _Inflated(file))


def open_segment(path: Path) -> BinaryIO:
    """Open a segment for reading from its begin to its end, also an archived one. Raises OSError."""
    file = cast(BinaryIO, path.open("rb", buffering=0))
    try:
        return ARCHIVED[path.suffix](file) if path.suffix in ARCHIVED else file
    except BaseException:
        file.close()
        raise


def read_segment(path: Path) -> Iterator[Record]:
    """Every undamaged record of a segment (`.open`, `.seg`, or archived), in order. Raises JournalError."""
    with _explaining(path), closing(open_segment(path)) as file:
        for _, record in RecordStream(file):
            yield record


def scan(path: Path) -> SegmentScan:
    """Read a whole segment and say what it holds. Raises JournalError when it cannot be read."""
    records = data = 0
    first: Record | None = None
    last: Record | None = None
    with _explaining(path), closing(open_segment(path)) as file:
        stream = RecordStream(file)
        for _, record in stream:
            first, last = first or record, record
            records += 1
            data += record.kind == DATA
    return SegmentScan(
        size=stream.size,
        records=records,
        data_records=data,
        first_seq=first.seq if first else None,
        last_seq=last.seq if last else None,
        last_wall_ns=last.wall_ns if last else None,
        valid_end=stream.valid_end,
        damaged=tuple(stream.damaged),
        header=control_of(first, "segment"),
        sealed=control_of(last, "seal") is not None,
    )


def control_of(record: Record | None, kind: str) -> dict[str, Any] | None:
    """The JSON object of a control record of that type, or None when the record is something else."""
    if record is None or record.kind != CONTROL:
        return None
    value = decode_control(record.payload)
    return value if value and value["type"] == kind else None


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"{path}: the segment cannot be read ({error.strerror}). Correct its owner and mode, or restore it from its"
            " other copy; the other segments are not touched by this."
        ) from error
