"""From journal records to decoded batches: frames of one connection together, none across a reconnect."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from harvester.decode.frames import Ints
from harvester.journal.format import Record, decode_control

Batch = TypeVar("Batch", covariant=True)
HSM_FRAMES, TBT_FRAMES = 4096, 512
"""Frames of a batch: enough to make arrays pay, few enough to stay in the processor's cache."""
ROUND_BYTES = 2 << 20
"""Bytes of frames after which a round ends, however few frames they are: a frame may have hundreds of entries."""


class Decoder(Protocol[Batch]):
    """Decodes the frames of one connection in their order."""

    def decode(self, frames: list[bytes]) -> Batch: ...


@dataclass(frozen=True)
class Received(Generic[Batch]):
    """A batch of one connection. `seq`, `wall_ns` and `mono_ns` have an element for each frame of the batch."""

    stream: int
    connection: int
    """0 for the first connection of the stream in these records, then 1, and so on."""
    opened_seq: int
    """Number of the control record with which the connection began; 0 when these records have none."""
    seq: Ints
    wall_ns: Ints
    mono_ns: Ints
    batch: Batch


@dataclass
class _Connection(Generic[Batch]):
    decoder: Decoder[Batch]
    number: int = 0
    opened_seq: int = 0
    waiting: list[Record] = field(default_factory=list)

    def take(self, stream: int) -> Received[Batch]:
        records, self.waiting = self.waiting, []
        seq, wall_ns, mono_ns = np.array([(each.seq, each.wall_ns, each.mono_ns) for each in records], np.int64).T
        batch = self.decoder.decode([record.payload for record in records])
        return Received(stream, self.number, self.opened_seq, seq, wall_ns, mono_ns, batch)


class Rounds(Generic[Batch]):
    """Gathers the frames of one feed and decodes them in rounds: one batch a connection, each round after the last.

    A control record {"type": "connect", "feed": ..., "stream": ...} ends the connection before it, as does the start
    of another run of the recorder, {"type": "start"}: the frames after it go to a new decoder, without the old state.
    """

    def __init__(self, feed: int, new_decoder: Callable[[], Decoder[Batch]], frames: int) -> None:
        """`frames`: how many the connections together have when a round ends; ROUND_BYTES end it, too."""
        self._feed = feed
        self._new_decoder = new_decoder
        self._frames = frames
        self._waiting = 0
        self._bytes = 0
        self._connections: dict[int, _Connection[Batch]] = {}

    def data(self, record: Record) -> list[Received[Batch]]:
        """Take a data record of the feed; the round that it completes is returned, or nothing."""
        if record.stream not in self._connections:
            self._connections[record.stream] = _Connection(self._new_decoder())
        self._connections[record.stream].waiting.append(record)
        self._waiting += 1
        self._bytes += len(record.payload)
        return self.finish() if self._waiting >= self._frames or self._bytes >= ROUND_BYTES else []

    def control(self, record: Record) -> list[Received[Batch]]:
        """Take a control record; the round that ends with it is returned."""
        if b"connect" not in record.payload and b"start" not in record.payload:
            return []  # most are gaps, whose JSON need not be read
        value = decode_control(record.payload)
        if value is None:
            return []
        if value["type"] == "start":
            round_ = self.finish()
            for stream in list(self._connections):
                self._begin(stream, 0)
            return round_
        if value["type"] != "connect" or value.get("feed") != self._feed or type(value.get("stream")) is not int:
            return []
        before = self._connections.get(value["stream"])
        round_ = self.finish() if before and before.waiting else []
        self._begin(value["stream"], record.seq)
        return round_

    def current(self) -> Iterator[tuple[int, int, int, Decoder[Batch]]]:
        """Of each stream its connection: stream, number, opened_seq, decoder. To be asked after `finish`."""
        for stream, each in sorted(self._connections.items()):
            yield stream, each.number, each.opened_seq, each.decoder

    def resume(self, stream: int, number: int, opened_seq: int, decoder: Decoder[Batch]) -> None:
        """Go on with a connection that other rounds had."""
        self._connections[stream] = _Connection(decoder, number, opened_seq)

    def finish(self) -> list[Received[Batch]]:
        """Decode what is waiting, by stream."""
        self._waiting = self._bytes = 0
        return [each.take(stream) for stream, each in sorted(self._connections.items()) if each.waiting]

    def _begin(self, stream: int, seq: int) -> None:
        before = self._connections.get(stream)
        self._connections[stream] = _Connection(self._new_decoder(), before.number + 1 if before else 0, seq)
