"""Files of parts: `<lake>/.building/<date>/`, work in progress that no reader looks at and nothing recorded rests on.

`<segment>.part` says what one segment of a run became, `<segment>.<table>.rows` has its rows, `<run>.state` is where
the decoders of the run stand after the last of them, `raw/` has the archived segments. A part is named by a key: the
hash of the release, the run, and the content of each of its segments so far. Decoding is a function of just these, so
a part with the right key is what the close would make.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TypeVar

import msgspec

from harvester.base.files import Identity, is_still, make_directory, replacing
from harvester.decode.fyers_hsm import HsmDecoder, HsmState
from harvester.decode.fyers_tbt import TbtDecoder, TbtState
from harvester.journal.format import FYERS_TBT, SOCKETS
from harvester.lake.day.segment_facts import SegmentFacts
from harvester.lake.tables.spool import SavedRows

FOLDER = ".building"
FORMAT = 4
RAW = "raw"
_DIGEST = hashlib.sha256().digest_size
Stored = TypeVar("Stored", bound="PartFacts | RunState | SliceFacts")
SocketDecoder = HsmDecoder | TbtDecoder


class TableRows(msgspec.Struct, frozen=True):
    """Rows of one table, and the hash of the file that they are in."""

    sha256: str
    saved: SavedRows


class FeedFacts(msgspec.Struct, frozen=True):
    """What the frames of one socket in a segment are besides rows. Times are wall ns."""

    frames: int
    leftovers: dict[str, int]
    undecoded: dict[str, int]
    undecoded_times: list[int]
    notices: list[str]
    snapshots: tuple[bytes, bytes, bytes]
    """int64 arrays: symbol, connection, time."""


class PartFacts(msgspec.Struct, frozen=True):
    """What the frames of the sockets in one segment became. Times are wall ns."""

    key: str
    symbols: list[str]
    """By the number that rows have."""
    connections: list[tuple[int, int, int, int]]
    """By the number that rows have: feed, stream, number of the connect record, receipt of the last frame here or 0."""
    feeds: dict[int, FeedFacts]
    tables: dict[str, TableRows]
    segment: SegmentFacts | None = None
    """None: its rows become part of no slice."""
    is_sliced: bool = False
    """Its rows are in a slice, and `tables` is empty."""


class OpenConnection(msgspec.Struct, frozen=True):
    """A connection that goes on: its decoder, and what its connect record said."""

    feed: int
    stream: int
    number: int
    seq: int
    from_ns: int
    symbols: list[str]
    topics: dict[str, str]
    decoder: bytes
    """The state of the feed's decoder, in msgpack."""


class RunState(msgspec.Struct):
    """Where a run stands after the last segment of it that became a part."""

    release: str
    run_id: str
    key: str
    segments: list[str]
    """Names of those that were looked at."""
    ended: bool = False
    """The rest of the run is left to the close: something in it can only be told with the whole day."""
    connections: list[OpenConnection] = []


class SliceFile(msgspec.Struct, frozen=True):
    """A file of a slice, as it was read back."""

    name: str
    sha256: str
    rows: int
    identity: Identity

    def is_whole(self, folder: Path) -> bool:
        """Whether it is what it was: untouched, or read and found with the same bytes."""
        path = folder / self.name
        return is_still(path, self.identity) or hash_or_nothing(path) == self.sha256


class SliceFacts(msgspec.Struct, frozen=True):
    """A stretch of the day's segments whose rows are in finished files of the tables. Times are wall ns."""

    release: str
    segments: list[tuple[str, str]]
    """Name and SHA-256 of each, in the order of the day; the first slice begins with the first of the day."""
    connections: list[tuple[int, int, str, int, int]]
    """Feed, stream, run, number of the connect record, and number in the day of those known by then."""
    first_ns: int
    last_ns: int
    """Receipt of the first and of the last record with data; nothing of a later slice came before `last_ns`."""
    tables: dict[str, list[SliceFile]]
    """The files by table."""
    states_file: SliceFile
    states: dict[str, tuple[int, int]]
    """By symbol: where its state is in the file of states, and how many bytes."""


def resumed(feed: int, state: bytes) -> SocketDecoder:
    """The decoder of a socket that goes on where another was. Raises msgspec.DecodeError."""
    if feed == FYERS_TBT:
        return TbtDecoder.resumed(msgspec.msgpack.decode(state, type=TbtState))
    return HsmDecoder.resumed(msgspec.msgpack.decode(state, type=HsmState))


def first_key(release: str, run_id: str) -> str:
    """The key of a run before its first segment."""
    return hashlib.sha256(f"{FORMAT} {release} {run_id}".encode()).hexdigest()


def next_key(key: str, sha256: str) -> str:
    """The key after a segment with that hash."""
    return hashlib.sha256(f"{key} {sha256}".encode()).hexdigest()


def folder_of_day(lake: Path, day: date) -> Path:
    """Where the parts of a day are."""
    return lake / FOLDER / day.isoformat()


def write(path: Path, content: PartFacts | RunState | SliceFacts) -> None:
    """Write facts with their hash before them. Raises OSError."""
    body = msgspec.msgpack.encode(content)
    with replacing(path, 0o640, synced=False) as file:
        file.write(hashlib.sha256(body).digest() + body)


def read(path: Path, kind: type[Stored]) -> Stored | None:
    """What `write` wrote; None where it is not there, not whole, or of another release."""
    try:
        content = path.read_bytes()
        body = content[_DIGEST:]
        if hashlib.sha256(body).digest() != content[:_DIGEST]:
            return None
        found = msgspec.msgpack.decode(body, type=kind)
    except (OSError, msgspec.DecodeError):
        return None
    if isinstance(found, PartFacts):
        found.symbols[:] = map(sys.intern, found.symbols)  # hundreds of parts have the same thousands
    return found


def segments_before(lake: Path, day: date, release: str) -> dict[str, SegmentFacts]:
    """What the parts of this release say of segments with frames of sockets alone, by name of the segment."""
    parts = (read(path, PartFacts) for path in sorted(folder_of_day(lake, day).glob("*.part")))
    segments = (part.segment for part in parts if part and part.segment)
    return {each.name: each for each in segments if each.release == release and {*each.feeds} <= {*SOCKETS}}


def rows_file(stem: Path, table: str) -> Path:
    """Where a part's rows of a table are; `stem` is the folder of the day and the segment's name."""
    return stem.with_name(f"{stem.name}.{table}.rows")


def read_slices(folder: Path, release: str) -> list[SliceFacts]:
    """The slices of a day that are whole and of this release, from the first on."""
    found: list[SliceFacts] = []
    while (facts := read(slice_file(folder, len(found) + 1, "slice"), SliceFacts)) and facts.release == release:
        found.append(facts)
    return found


def slice_file(folder: Path, number: int, suffix: str) -> Path:
    """A file of the slice with a number, from 1."""
    return folder / f"slice-{number:04}.{suffix}"


def hash_or_nothing(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


@contextmanager
def holding(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the parts of a day for this process, or find without `wait` that another one does. Raises OSError."""
    if wait and not folder.is_dir():
        yield True  # nobody has begun
        return
    make_directory(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def remove_parts(lake: Path, day: date) -> None:
    """Remove the parts of a day. Raises OSError."""
    folder = folder_of_day(lake, day)
    if folder.exists():
        shutil.rmtree(folder)
