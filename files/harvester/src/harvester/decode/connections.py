"""From journal records to decoded batches: frames of one connection together, none across a reconnect."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from harvester.decode.frames import Ints
from harvester.journal.format import CONTROL, DATA, Record, decode_control

Batch = TypeVar("Batch", covariant=True)
HSM_FRAMES, TBT_FRAMES = 4096, 512
"""Frames of a batch: enough to make arrays pay, few enough to stay in the processor's cache."""


class Decoder(Protocol[Batch]):
    """Decodes the frames of one connection in their order."""

    def decode(self, frames: list[bytes]) -> Batch: ...


@dataclass(frozen=True)
class Received(Generic[Batch]):
    """A batch of one connection, and when its frames came; a frame number of the batch is a place in these."""

    stream: int
    connection: int
    """0 for the first connection of the stream in these records, then 1, and so on."""
    seq: Ints
    wall_ns: Ints
    mono_ns: Ints
    batch: Batch


@dataclass
class _Connection(Generic[Batch]):
    decoder: Decoder[Batch]
    number: int = 0
    waiting: list[Record] = field(default_factory=list)

    def take(self, stream: int) -> Received[Batch]:
        records, self.waiting = self.waiting, []
        seq, wall_ns, mono_ns = np.array([(each.seq, each.wall_ns, each.mono_ns) for each in records], np.int64).T
        batch = self.decoder.decode([record.payload for record in records])
        return Received(stream, self.number, seq, wall_ns, mono_ns, batch)


def decode_records(
    records: Iterable[Record], feed: int, new_decoder: Callable[[], Decoder[Batch]], batch_frames: int
) -> Iterator[Received[Batch]]:
    """The decoded batches of a feed's records, in order within each stream.

    A control record {"type": "connect", "feed": …, "stream": …} ends the connection before it, as does the start of
    another run of the recorder, {"type": "start"}: from there on a new decoder knows nothing of the old one's state.
    """
    connections: dict[int, _Connection[Batch]] = {}
    for record in records:
        if record.kind == CONTROL:
            for stream in _ended(record, feed, list(connections)):
                old = connections[stream]
                if old.waiting:
                    yield old.take(stream)
                connections[stream] = _Connection(new_decoder(), old.number + 1)
        elif record.kind == DATA and record.feed == feed:
            if record.stream not in connections:
                connections[record.stream] = _Connection(new_decoder())
            current = connections[record.stream]
            current.waiting.append(record)
            if len(current.waiting) >= batch_frames:
                yield current.take(record.stream)
    for stream, rest in connections.items():
        if rest.waiting:
            yield rest.take(stream)


def _ended(record: Record, feed: int, streams: list[int]) -> list[int]:
    """Streams whose connection this control record ends."""
    control = decode_control(record.payload)
    if control is None:
        return []
    if control["type"] == "start":
        return streams
    ends = control["type"] == "connect" and control.get("feed") == feed and control.get("stream") in streams
    return [control["stream"]] if ends else []
