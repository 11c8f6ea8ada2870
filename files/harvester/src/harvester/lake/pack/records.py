"""A stretch of a segment as columns: what each record's header says, its payload, and the bytes that are no record."""

from dataclasses import dataclass, field

import numpy as np

from harvester.journal.format import HEADER, MAGIC, MAX_PAYLOAD, PREFIX, decode, encode
from harvester.lake.pack.groups import changes
from harvester.lake.pack.streams import Ints, StreamError, StreamReader, StreamWriter

SIGNED = 1 << 64
HALF = 1 << 63


@dataclass
class Records:
    """Records in order. `strays[i]` bytes of `stray` precede record i; the rest of `stray` follows the last."""

    heads: list[int] = field(default_factory=list)
    """kind + feed * 2**8 + stream * 2**16"""
    seqs: list[int] = field(default_factory=list)
    """As signed 64-bit numbers."""
    walls: list[int] = field(default_factory=list)
    monos: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    strays: list[int] = field(default_factory=list)
    stray: bytes = b""

    def __len__(self) -> int:
        return len(self.heads)


def split(data: bytes, *, is_last: bool) -> tuple[Records, int]:
    """The records in `data`, and how many of its bytes they and what lies between take.

    Without `is_last` a record that may go on behind the end is left for later.
    """
    records, stray = Records(), bytearray()
    at = search = 0
    while True:
        found = data.find(MAGIC, search)
        if found < 0:
            end = len(data) if is_last else max(at, len(data) - len(MAGIC) + 1)
            break
        size = _size_of(data, found)
        if size is None or size > len(data) - found:
            if not is_last:
                end = found
                break
            size = 0
        record = decode(data[found : found + size]) if size else None
        if record is None:
            search = found + 1
            continue
        kind, feed, stream, seq, wall_ns, mono_ns, payload = record
        records.heads.append(kind | feed << 8 | stream << 16)
        records.seqs.append(seq - SIGNED if seq >= HALF else seq)
        records.walls.append(wall_ns)
        records.monos.append(mono_ns)
        records.payloads.append(payload)
        records.strays.append(found - at)
        stray += data[at:found]
        at = search = found + size
    records.stray = bytes(stray + data[at:end])
    return records, end


def _size_of(data: bytes, at: int) -> int | None:
    """Bytes of the record that seems to begin there: 0 when it cannot be one, None when its header is not all here."""
    if len(data) - at < HEADER.size:
        return None
    length = PREFIX.unpack_from(data, at)[1]
    return HEADER.size + length if length <= MAX_PAYLOAD else 0


def join(records: Records) -> bytes:
    """The bytes that `split` took."""
    parts, at = [], 0
    columns = zip(
        records.heads,
        records.seqs,
        records.walls,
        records.monos,
        records.payloads,
        records.strays,
        strict=True,
    )
    for head, seq, wall_ns, mono_ns, payload, stray in columns:
        if stray:
            parts.append(records.stray[at : at + stray])
            at += stray
        parts.append(encode((head & 0xFF, head >> 8 & 0xFF, head >> 16, seq % SIGNED, wall_ns, mono_ns, payload)))
    parts.append(records.stray[at:])
    return b"".join(parts)


def write_headers(records: Records, out: StreamWriter) -> None:
    """Everything but the payloads."""
    out.number(len(records))
    out.blob(records.stray)
    for column in (records.strays, records.heads):
        out.ints(_changes(column))
    out.ints(_changes(records.seqs) - 1)
    out.ints(_changes(records.walls))
    walls, monos = np.array(records.walls, np.int64), np.array(records.monos, np.int64)
    out.ints(changes(monos - walls))


def read_headers(source: StreamReader) -> Records:
    """What `write_headers` wrote; the payloads are empty. Raises StreamError."""
    count = source.number()
    records = Records(stray=source.blob())
    records.strays = np.cumsum(source.ints(count)).tolist()
    records.heads = np.cumsum(source.ints(count)).tolist()
    if count and (min(records.heads) < 0 or max(records.heads) >= 1 << 32 or min(records.strays) < 0):
        raise StreamError("a record header beyond its limits")
    records.seqs = np.cumsum(source.ints(count) + 1).tolist()
    walls = np.cumsum(source.ints(count))
    records.walls = walls.tolist()
    records.monos = (np.cumsum(source.ints(count)) + walls).tolist()
    return records


def _changes(values: list[int]) -> Ints:
    return changes(np.array(values, np.int64))
