"""A/B de-duplication: of two connections that carry the same symbols, the first copy of each update.

The data socket has no sequence numbers, so copies are found by their values. Both connections bring the same states of
a topic in the same order: a state that the other connection brought up to 10 s before is the second copy, and the
states before it in that queue came on the other connection alone.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harvester.base.clock import NS_PER_SECOND
from harvester.decode.frames import Ints
from harvester.lake.tables.symbol_state import Waiting

LATEST_COPY_NS = 10 * NS_PER_SECOND
"""How much later the second copy may come."""
MOST_WAITING = 1024
_FACTORS = np.random.default_rng(20261122).integers(0, 2**64, 512, np.uint64, endpoint=False) | np.uint64(1)


@dataclass
class Tally:
    """Of each stream, by number: updates that it brought first of two, and updates that it alone brought."""

    first: Counter[int] = field(default_factory=Counter)
    alone: Counter[int] = field(default_factory=Counter)


class Deduplicator:
    """Passes on one copy of each update of one topic, given in order of receipt."""

    def __init__(self, content: slice, tally: Tally) -> None:
        """`content`: the rows of a matrix that make up the state of the topic."""
        self._content = content
        self._tally = tally
        self._waiting: dict[int, deque[tuple[int, int]]] = {}

    def pick(self, matrix: Ints, streams: Ints) -> Ints:
        """The columns of `matrix` that are first copies; `streams` has the stream of each column."""
        if len(streams) and (streams == streams[0]).all() and self._is_alone(int(streams[0])):
            self._keep(int(streams[0]), matrix)
            return matrix
        states = _fingerprints(matrix[self._content])
        keep = [
            self._is_first(state, stream, at)
            for state, stream, at in zip(states.tolist(), streams.tolist(), matrix[0].tolist(), strict=True)
        ]
        return matrix if all(keep) else matrix[:, np.array(keep, np.bool_)]

    def finish(self) -> None:
        """No more updates: what still waits for its copy came alone."""
        for stream, waiting in self._waiting.items():
            self._tally.alone[stream] += len(waiting)
        self._waiting = {}

    def _is_alone(self, stream: int) -> bool:
        return not any(waiting for other, waiting in self._waiting.items() if other != stream)

    def _keep(self, stream: int, matrix: Ints) -> None:
        """Updates of which nothing waits elsewhere: each is the first."""
        mine = self._waiting.setdefault(stream, deque())
        late = matrix[:, -MOST_WAITING:]
        self._tally.alone[stream] += max(0, len(mine) + matrix.shape[1] - MOST_WAITING)
        mine.extend(zip(_fingerprints(late[self._content]).tolist(), late[0].tolist(), strict=True))
        while len(mine) > MOST_WAITING:
            mine.popleft()

    def save(self, until_ns: int) -> Waiting:
        """What waits for its copy, for `resume`, where all that follows comes at `until_ns` or later, in wall ns."""
        saved = []
        for stream, waiting in self._waiting.items():
            self._drop(stream, waiting, until_ns)
            states, times = zip(*waiting, strict=True) if waiting else ((), ())
            saved.append((stream, np.array(states, np.uint64).tobytes(), np.array(times, np.int64).tobytes()))
        return saved

    def resume(self, saved: Waiting) -> None:
        """Go on after what another one saved."""
        for stream, states, times in saved:
            pairs = zip(np.frombuffer(states, np.uint64).tolist(), np.frombuffer(times, np.int64).tolist(), strict=True)
            self._waiting[stream] = deque(pairs)

    def _drop(self, stream: int, waiting: deque[tuple[int, int]], at: int) -> None:
        """Give up those to which a copy would come too late, after `at`."""
        while waiting and waiting[0][1] < at - LATEST_COPY_NS:
            waiting.popleft()
            self._tally.alone[stream] += 1

    def _is_first(self, state: int, stream: int, at: int) -> bool:
        for other, waiting in self._waiting.items():
            if other == stream:
                continue
            self._drop(other, waiting, at)
            place = next((place for place, (known, _) in enumerate(waiting) if known == state), None)
            if place is not None:
                for _ in range(place + 1):
                    waiting.popleft()
                self._tally.alone[other] += place
                self._tally.first[other] += 1
                return False
        mine = self._waiting.setdefault(stream, deque())
        mine.append((state, at))
        if len(mine) > MOST_WAITING:
            mine.popleft()
            self._tally.alone[stream] += 1
        return True


def _fingerprints(content: Ints) -> NDArray[np.uint64]:
    """64 bits of each column that are different, as good as surely, when the columns are."""
    products = np.ascontiguousarray(content).view(np.uint64) * _FACTORS[: len(content), None]
    sums: NDArray[np.uint64] = np.add.reduce(products, axis=0, dtype=np.uint64)
    return sums
