"""Feed frames of the data socket taken apart into entries, without looking at their values."""

import struct
from typing import NamedTuple

SNAPSHOT, UPDATE, LITE = 0x53, 0x55, 0x4C
FEED = 6
HEAD = struct.Struct(">HBIH")
TEXTS = 3
"""Texts at the end of a snapshot, each behind its length."""


class BadFrameError(ValueError):
    """Not a feed frame whose entries are known."""


class Entry(NamedTuple):
    """One entry: its form, its topic id, the topic's name in a snapshot, and its bytes."""

    form: int
    id: int
    name: str
    raw: bytes


class Frame(NamedTuple):
    """A feed frame: the message number, and its entries."""

    message: int
    entries: list[Entry]


def is_feed(frame: bytes) -> bool:
    """Whether it is a feed frame at all."""
    return len(frame) >= HEAD.size and frame[2] == FEED


def split(frame: bytes) -> Frame:
    """Take a feed frame apart. Raises BadFrameError."""
    _, _, message, count = HEAD.unpack_from(frame)
    at, entries = HEAD.size, []
    try:
        for _ in range(count):
            form, number = frame[at], frame[at + 1] << 8 | frame[at + 2]
            name = ""
            if form == UPDATE:
                end = at + 4 + 4 * frame[at + 3]
            elif form == SNAPSHOT:
                name, end = _snapshot(frame, at)
            elif form == LITE:
                end = at + 7
            else:
                raise BadFrameError(f"an entry of form {form}")
            if end > len(frame):
                raise BadFrameError("an entry that is cut off")
            entries.append(Entry(form, number, name, frame[at:end]))
            at = end
    except IndexError as error:
        raise BadFrameError("an entry that is cut off") from error
    if at != len(frame):
        raise BadFrameError("bytes after the last entry")
    return Frame(message, entries)


def _snapshot(frame: bytes, at: int) -> tuple[str, int]:
    """Name of the topic, and where the entry ends."""
    begin = at + 4
    end = begin + frame[at + 3]
    name = frame[begin:end].decode("latin-1")
    end += 1 + 4 * frame[end] + 5
    for _ in range(TEXTS):
        end += 1 + frame[end]
    return name, end


def renumber(entry: Entry, number: int) -> bytes:
    """Its bytes with another topic id."""
    return entry.raw[:1] + struct.pack(">H", number) + entry.raw[3:]
