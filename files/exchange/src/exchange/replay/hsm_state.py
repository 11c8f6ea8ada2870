"""What the recorded topics show at the moment, for clients who come late: values kept as they are on the wire."""

import struct
from dataclasses import dataclass
from itertools import zip_longest

from exchange.replay.entries import LITE, SNAPSHOT, Entry
from exchange.wire.hsm import FIELDS, UNCHANGED

NAME_AT = 3
"""Where a snapshot's name is, behind its length."""


@dataclass
class _Topic:
    """A snapshot's bytes before and after the values, without mark and id, and the values merged since."""

    head: bytes
    values: list[int]
    tail: bytes


class HsmState:
    """The topics of one recorded connection by name."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}

    def take(self, entry: Entry, name: str) -> None:
        """The next entry of a topic."""
        raw = entry.raw
        if entry.form == SNAPSHOT:
            at = NAME_AT + 1 + raw[NAME_AT]
            end = at + 1 + 4 * raw[at]
            self._topics[name] = _Topic(raw[NAME_AT:at], list(_words(raw[at + 1 : end])), raw[end:])
            return
        topic = self._topics.get(name)
        if topic is None:
            return
        if entry.form == LITE:
            topic.values[:1] = _words(raw[3:])
        else:
            pairs = zip_longest(topic.values, _words(raw[4:]), fillvalue=UNCHANGED)
            topic.values = [old if new == UNCHANGED else new for old, new in pairs]

    def snapshot(self, name: str, number: int) -> bytes | None:
        """A snapshot of a topic with this id; None when it has not come on this connection."""
        topic = self._topics.get(name)
        if topic is None:
            return None
        count = len(topic.values)
        values = struct.pack(f">B{count}I", count, *topic.values)
        return struct.pack(">BH", SNAPSHOT, number) + topic.head + values + topic.tail

    def values(self, name: str) -> dict[str, int]:
        """Values of a topic by name, 0 for those that are absent; empty when it has not come."""
        topic = self._topics.get(name)
        if topic is None:
            return {}
        found = zip(FIELDS[name[:2]], topic.values, strict=False)
        return {field: 0 if value == UNCHANGED else value for field, value in found}


def _words(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(raw) // 4}I", raw)
