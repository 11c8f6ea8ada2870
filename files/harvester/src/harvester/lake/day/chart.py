"""What the frames of schwab-stream hold, taken from each once, while the segments of a day are indexed."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harvester.brokers.bars import Candle, Rejected
from harvester.brokers.schwab.chart import DONE, SERVICE, batch_of, batches_of, read_frame
from harvester.journal.format import SCHWAB_STREAM, Record
from harvester.lake.day.connections import Connection, Connections

WIDTH = 10
"""Numbers of a minute: place of its record, receipt, and the candle."""


class Streamed(NamedTuple):
    """A minute, and where its record is: number of the source, byte in it, number of the record, receipt in wall ns."""

    source: int
    offset: int
    seq: int
    recv_ns: int
    candle: Candle


class _Confirmed(NamedTuple):
    """A subscription that the server confirmed at a moment, in wall ns, with the record `seq` of a run."""

    run_id: str
    stream: int
    seq: int
    at_ns: int
    batch: int


@dataclass
class ChartLog:
    """Minutes in 80 bytes each, by symbol, and what else the frames hold."""

    frames: int = 0
    unknown: int = 0
    """Frames, and parts of them, that are no minute of a recorded symbol, no answer and no heartbeat."""
    flaws: dict[str, Counter[str]] = field(default_factory=dict)
    """By symbol, why what was sent as a minute is none."""
    _minutes: dict[str, "array[int]"] = field(default_factory=dict)
    _heard: "dict[tuple[str, int], array[int]]" = field(default_factory=dict)
    """By run and stream, number and receipt of each frame."""
    _confirmed: list[_Confirmed] = field(default_factory=list)

    def take(self, source: int, offset: int, record: Record, run_id: str, symbols: Collection[str]) -> None:
        """Take in a frame; `symbols` are those that its run recorded."""
        self.frames += 1
        self._heard.setdefault((run_id, record.stream), array("q")).extend((record.seq, record.wall_ns))
        frame = read_frame(record.payload)
        if frame is None:
            self.unknown += 1
            return
        self.unknown += frame.unknown
        for reply in frame.replies:
            if reply.service == SERVICE and reply.code in DONE:
                place = run_id, record.stream, record.seq, record.wall_ns
                self._confirmed.append(_Confirmed(*place, batch_of(reply.request)))
        for symbol, candle in frame.minutes:
            if symbol not in symbols:
                self.unknown += 1
            elif isinstance(candle, Rejected):
                self.flaws.setdefault(symbol, Counter())[candle.flaw] += 1
            else:
                numbers = source, offset, record.seq, record.wall_ns, *candle
                self._minutes.setdefault(symbol, array("q")).extend(numbers)

    @property
    def symbols(self) -> set[str]:
        """Of which minutes came."""
        return {*self._minutes, *self.flaws}

    def minutes(self, symbol: str) -> Iterator[Streamed]:
        """Those of a symbol, in the order of the journal."""
        numbers = self._minutes.get(symbol, array("q"))
        for start in range(0, len(numbers), WIDTH):
            source, offset, seq, recv_ns, *candle = numbers[start : start + WIDTH]
            yield Streamed(source, offset, seq, recv_ns, Candle(*candle))

    def seen(self, connections: Connections) -> dict[str, dict[int, int]]:
        """By symbol and number of the connection: when its subscription was confirmed first, in wall ns.

        Notes of each connection when its last frame came.
        """
        streams: dict[tuple[str, int], list[Connection]] = {}
        for each in connections:
            if each.feed == SCHWAB_STREAM:
                streams.setdefault((each.run_id, each.stream), []).append(each)
        for place, heard in self._heard.items():
            for seq, wall_ns in zip(heard[::2], heard[1::2], strict=True):
                if connection := _before(streams.get(place, ()), seq):
                    connection.last_ns = max(connection.last_ns, wall_ns)
        found: dict[str, dict[int, int]] = {}
        for run_id, stream, seq, at_ns, batch in self._confirmed:
            connection = _before(streams.get((run_id, stream), ()), seq)
            batches = batches_of(connection.symbols if connection else ())
            if connection is None or not 0 <= batch < len(batches):
                continue
            for symbol in batches[batch]:
                found.setdefault(symbol, {}).setdefault(connection.number, at_ns)
        return found


def _before(connections: Sequence[Connection], seq: int) -> Connection | None:
    """The connection that a record of its stream is of."""
    return max((each for each in connections if each.seq < seq), key=lambda each: each.seq, default=None)
