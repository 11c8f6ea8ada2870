"""Days of sockets that chance tells, the same for the same seed."""

import random
from collections.abc import Callable

from tests.journals import OPEN_NS
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, SocketRecorder

from harvester.journal.format import FYERS_HSM, FYERS_TBT


class Story:
    """A day that chance tells: twins, connections that break, books of 50 levels, silence, restarts, gaps written down.

    `sealed` is called after each segment.
    """

    SYMBOLS = (SBIN, INFY, "NSE:TCS-EQ")

    def __init__(self, place: StreamedPlace, seed: int, sealed: Callable[[], object]) -> None:
        self._chance = random.Random(seed)
        self._place = place
        self._sealed = sealed
        self._up: dict[tuple[int, int], list[str]] = {}
        """By feed and stream: the symbols of the connection."""
        self._volume = 0
        self._recorder = self._begin()

    def _begin(self) -> SocketRecorder:
        recorder = self._place.sockets()
        recorder.open((FYERS_HSM, FYERS_TBT))
        self._up.clear()
        return recorder

    def tell(self) -> None:
        moments = sorted(self._chance.uniform(0, 95) for _ in range(self._chance.randint(60, 140)))
        steps = [self._books, self._quotes, self._quotes, self._books50, self._connect, self._snapshots]
        rare = [self._break, self._seal, self._lose, self._restart, self._back]
        for at in moments:
            self._recorder.at(at)
            self._chance.choices([*steps, *rare], [6, 6, 6, 4, 2, 3, 1, 4, 1, 0.4, 0.2])[0]()
        self._recorder.close()
        self._recorder.stop()

    def _stream(self, feed: int) -> int | None:
        up = sorted(stream for kind, stream in self._up if kind == feed)
        return self._chance.choice(up) if up else None

    def _symbol(self, feed: int, stream: int) -> str:
        return self._chance.choice(self._up[feed, stream])

    def _connect(self) -> None:
        feed, stream = self._chance.choice([(FYERS_HSM, 0), (FYERS_HSM, 1), (FYERS_HSM, 1), (FYERS_TBT, 0)])
        symbols = self._chance.sample(self.SYMBOLS, self._chance.choice([1, 2, 3, 3, 3]))
        self._recorder.connect(stream, [*symbols, *([NIFTY] if feed == FYERS_HSM else [])], feed)
        self._up[feed, stream] = symbols
        if feed == FYERS_HSM and self._chance.random() < 0.8:
            self._recorder.snapshots(stream, *symbols, NIFTY, number=self._next())

    def _next(self) -> int:
        self._volume += self._chance.choice([0, 1, 1, 2, 7, -1])
        return self._volume

    def _snapshots(self) -> None:
        stream = self._stream(FYERS_HSM)
        if stream is not None:
            self._recorder.snapshots(stream, self._symbol(FYERS_HSM, stream), number=self._next())

    def _copy(self, send: Callable[[int, str], object]) -> None:
        """An update, often with its copy on the other connection, at once or later."""
        stream = self._stream(FYERS_HSM)
        if stream is None:
            return
        symbol = self._symbol(FYERS_HSM, stream)
        send(stream, symbol)
        if symbol in self._up.get((FYERS_HSM, 1 - stream), ()) and self._chance.random() < 0.7:
            self._recorder.clock.now_ns += self._chance.choice([0, 1, 10**9, 3 * 10**9])
            if self._chance.random() < 0.3:
                self._seal()
            send(1 - stream, symbol)

    def _books(self) -> None:
        number = self._next()
        self._copy(lambda stream, symbol: self._recorder.books(stream, symbol, number))

    def _quotes(self) -> None:
        number = self._next()
        self._copy(lambda stream, symbol: self._recorder.quotes(stream, symbol, number, number + 1))

    def _books50(self) -> None:
        stream = self._stream(FYERS_TBT)
        if stream is not None:
            sequence = None if self._chance.random() < 0.8 else self._chance.randint(1, 50)
            is_snapshot = self._chance.random() < 0.2
            symbol = self._symbol(FYERS_TBT, stream)
            self._recorder.book50(stream, symbol, self._next(), sequence=sequence, snapshot=is_snapshot)

    def _break(self) -> None:
        if self._up:
            feed, stream = self._chance.choice(sorted(self._up))
            self._recorder.control("disconnect", feed=feed, stream=stream, cause="disconnect", detail="as told")
            del self._up[feed, stream]

    def _lose(self) -> None:
        """A gap that began some seconds before it was noticed."""
        now = (self._recorder.clock.now_ns - OPEN_NS) / 10**9
        feed = self._chance.choice([FYERS_HSM, FYERS_TBT])
        begin = max(0, now - self._chance.uniform(0, 8))
        self._recorder.lose(self._chance.choice(self.SYMBOLS), begin, self._chance.choice([None, now]), feed=feed)

    def _seal(self) -> None:
        self._recorder.writer.seal()
        self._sealed()

    def _restart(self) -> None:
        self._recorder.writer.close() if self._chance.random() < 0.5 else self._recorder.stop()
        self._sealed()
        self._recorder.clock.now_ns += 10**9
        self._recorder = self._begin()

    def _back(self) -> None:
        """The wall clock is set back."""
        self._recorder.clock.now_ns -= self._chance.randint(0, 5 * 10**9)
