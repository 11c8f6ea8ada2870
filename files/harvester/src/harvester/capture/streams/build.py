"""Puts the socket feeds together from the settings."""

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.brokers.fyers.access import Gate
from harvester.brokers.fyers.adapter import Covered, Session
from harvester.brokers.fyers.hsm import TOPICS_A_CONNECTION, HsmSession
from harvester.brokers.fyers.rest import FyersRestFeed
from harvester.brokers.fyers.tbt import CONNECTIONS, SYMBOLS_A_CONNECTION, TbtSession
from harvester.capture.sink import Capture
from harvester.capture.streams.context import Desk
from harvester.capture.streams.feed import StreamFeed
from harvester.capture.streams.group import Line
from harvester.capture.streams.trading_state import SessionWatch
from harvester.capture.symbol_master import SymbolBook
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.ledger.streams import Reason, StreamLedger
from harvester.tokens.handover import Token

NOT_LISTED = Reason("refused", "the broker's symbol master does not list it, or not for its data socket")


class Assembly:
    """What the socket feeds have in common with the rest of the recorder."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        capture: Capture,
        gate: Gate,
        rest: FyersRestFeed,
        book: SymbolBook,
        tls: ssl.SSLContext,
        run_id: str,
        session: SessionWatch,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._capture = capture
        self._gate = gate
        self._rest = rest
        self._book = book
        self._tls = tls
        self._run_id = run_id
        self._session = session

    def feeds(self) -> list[StreamFeed]:
        """The socket feeds that the settings name."""
        makers = {"fyers-hsm": self._hsm, "fyers-tbt": self._tbt}
        return [makers[name]() for name in self._settings.feeds if name in makers]

    def _desk(self, feed: int, symbols: Iterable[str], mute_seconds: float) -> Desk:
        return Desk(
            feed=feed,
            capture=self._capture,
            ledger=StreamLedger(self._run_id, feed, symbols),
            gate=self._gate,
            clock=self._clock,
            tls=self._tls,
            mute_ns=int(mute_seconds * NS_PER_SECOND),
            session=self._session,
        )

    def _hsm(self) -> StreamFeed:
        hsm, symbols = self._settings.hsm, self._settings.symbols_of("fyers-hsm")
        desk = self._desk(FYERS_HSM, symbols, hsm.mute_seconds)

        def new_session(topics: dict[str, str], covered: Covered) -> Session:
            return HsmSession(topics, hsm.url, covered)

        async def new_lines() -> list[Line]:
            topics = await self._book.topics(symbols)
            unlisted = [symbol for symbol in symbols if symbol not in topics]
            desk.explain(unlisted, self._clock.wall_ns(), NOT_LISTED)
            lines = []
            for number, owners in enumerate(_shares(topics, hsm.symbols_per_connection)):
                share = tuple(dict.fromkeys(owners.values()))
                session = partial(new_session, owners)
                lines.append(Line(number, share, desk, session, redundant=hsm.redundant, may_overlap=True))
            return lines

        return StreamFeed(desk, new_lines, topics=self._book.known, recall=self._book.remember)

    def _tbt(self) -> StreamFeed:
        tbt = self._settings.tbt
        desk = self._desk(FYERS_TBT, tbt.symbols, tbt.mute_seconds)
        groups = _groups(tbt.symbols, SYMBOLS_A_CONNECTION)

        def new_session(symbols: tuple[str, ...], covered: Covered) -> Session:
            app_id = self._settings.broker.app_id
            return TbtSession(symbols, app_id=app_id, url=tbt.url, look_up=self._look_up, covered=covered)

        async def new_lines() -> list[Line]:
            spare = len(groups) < CONNECTIONS
            return [
                Line(number, symbols, desk, partial(new_session, symbols), redundant=False, may_overlap=spare)
                for number, symbols in enumerate(groups)
            ]

        return StreamFeed(desk, new_lines)

    async def _look_up(self, token: Token) -> str | None:
        """Ask for the 50-level socket's address, unless the broker's limits forbid it."""
        if self._gate.refuse(self._clock.wall_ns(), self._clock.mono_ns()):
            return None
        return await self._rest.find_socket(token.access_token)


def _shares(topics: Mapping[str, list[str]], most_symbols: int) -> Iterator[dict[str, str]]:
    """The topics of each connection with the symbols that they are of."""
    share: dict[str, str] = {}
    symbols = 0
    for symbol, names in topics.items():
        if share and (symbols == most_symbols or len(share) + len(names) > TOPICS_A_CONNECTION):
            yield share
            share, symbols = {}, 0
        share |= dict.fromkeys(names, symbol)
        symbols += 1
    if share:
        yield share


def _groups(symbols: tuple[str, ...], size: int) -> Sequence[tuple[str, ...]]:
    return [symbols[first : first + size] for first in range(0, len(symbols), size)]
