"""Feed frames of the data socket as entries: which topic, and which of its values.

A frame is plain when its header is as the server's, it holds update entries alone, and they fill it. Any other payload
goes through as it is.
"""

import struct
from dataclasses import dataclass, field

import numpy as np

from harvester.journal.format import DATA, FYERS_HSM
from harvester.lake.pack.groups import runs_of, sums_within
from harvester.lake.pack.records import Records
from harvester.lake.pack.streams import Ints, StreamError, StreamReader, StreamWriter

HEADER = struct.Struct(">HBIH")
ENTRY = struct.Struct(">BHB")
FEED, UPDATE = 6, 0x55
PLAIN_HEAD = DATA | FYERS_HSM << 8
WORD = 4

Key = tuple[int, int, int]
"""Stream of the journal, topic id, number of values: what a slot is."""


@dataclass
class Frames:
    """The payloads of a block. `counts` and `numbers` have an item for each plain frame, in order."""

    plain: list[bool] = field(default_factory=list)
    """For each record, whether its payload is a plain frame."""
    counts: list[int] = field(default_factory=list)
    """Entries in the frame."""
    numbers: list[int] = field(default_factory=list)
    """The frame's message number."""
    keys: list[Key] = field(default_factory=list)
    """Of each entry, in order."""
    values: list[bytes] = field(default_factory=list)
    """Of each entry, in order: its 32-bit words, big-endian."""


def take_apart(records: Records) -> Frames:
    """The entries of the plain frames among the payloads."""
    frames = Frames()
    for head, payload in zip(records.heads, records.payloads, strict=True):
        ends = _entry_ends(payload) if head & 0xFFFF == PLAIN_HEAD else None
        frames.plain.append(ends is not None)
        if ends is None:
            continue
        frames.counts.append(len(ends))
        frames.numbers.append(HEADER.unpack_from(payload)[2])
        start = HEADER.size
        for end in ends:
            _, topic, width = ENTRY.unpack_from(payload, start)
            frames.keys.append((head >> 16, topic, width))
            frames.values.append(payload[start + ENTRY.size : end])
            start = end
    return frames


def _entry_ends(payload: bytes) -> list[int] | None:
    """Where each entry of a plain frame ends, or None when the frame is not plain."""
    if len(payload) < HEADER.size:
        return None
    length, kind, _, count = HEADER.unpack_from(payload)
    if length != len(payload) - 2 or kind != FEED or not count:
        return None
    ends, at = [], HEADER.size
    for _ in range(count):
        if len(payload) - at < ENTRY.size or payload[at] != UPDATE or not payload[at + 3]:
            return None
        at += ENTRY.size + WORD * payload[at + 3]
        ends.append(at)
    return ends if at == len(payload) else None


def put_together(frames: Frames, records: Records, others: list[bytes]) -> None:
    """Set the records' payloads: of the plain frames from their entries, of the others from `others`."""
    entries = zip(frames.keys, frames.values, strict=True)
    counts, numbers, rest = iter(frames.counts), iter(frames.numbers), iter(others)
    for is_plain in frames.plain:
        if not is_plain:
            records.payloads.append(next(rest))
            continue
        count = next(counts)
        parts = [b""]
        for _ in range(count):
            (_, topic, width), values = next(entries)
            parts += ENTRY.pack(UPDATE, topic, width), values
        size = HEADER.size + sum(map(len, parts))
        parts[0] = HEADER.pack(size - 2, FEED, next(numbers), count)
        records.payloads.append(b"".join(parts))


def write_frames(frames: Frames, records: Records, out: StreamWriter) -> None:
    """Everything but the entries: which payloads are plain, the other payloads, counts and message numbers."""
    out.blob(np.packbits(np.array(frames.plain, np.uint8)).tobytes())
    others = [payload for payload, plain in zip(records.payloads, frames.plain, strict=True) if not plain]
    out.ints(np.array([len(payload) for payload in others], np.int64))
    out.blob(b"".join(others))
    out.ints(np.array(frames.counts, np.int64) - 1)
    out.ints(_number_steps(np.array(frames.numbers, np.int64), _streams(frames, records)))


def read_frames(records: Records, source: StreamReader) -> tuple[Frames, list[bytes]]:
    """What `write_frames` wrote, and the payloads that are not plain. Raises StreamError."""
    bits = np.frombuffer(source.blob((len(records) + 7) // 8), np.uint8)
    frames = Frames(plain=np.unpackbits(bits, count=len(records)).astype(bool).tolist())
    plain = sum(frames.plain)
    sizes = source.ints(len(records) - plain)
    if len(sizes) and int(sizes.min()) < 0:
        raise StreamError("a payload of negative length")
    blob, ends = source.blob(int(sizes.sum())), np.cumsum(sizes)
    others = [blob[start:end] for start, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]
    frames.counts = (source.ints(plain) + 1).tolist()
    frames.numbers = _numbers(source.ints(plain), _streams(frames, records)).tolist()
    return frames, others


def _streams(frames: Frames, records: Records) -> Ints:
    chosen = [head >> 16 for head, plain in zip(records.heads, frames.plain, strict=True) if plain]
    return np.array(chosen, np.int64)


def _number_steps(numbers: Ints, streams: Ints) -> Ints:
    """Each message number less the one before in its stream and 1; modulo 2**32 it is a number once more."""
    order, begins = runs_of(streams)
    ordered = numbers[order]
    steps = np.empty_like(numbers)
    steps[order] = ordered - np.where(begins, 0, np.roll(ordered, 1)) - 1
    return steps


def _numbers(steps: Ints, streams: Ints) -> Ints:
    order, begins = runs_of(streams)
    numbers = np.empty_like(steps)
    numbers[order] = sums_within(begins, steps[order] + 1)
    return numbers
