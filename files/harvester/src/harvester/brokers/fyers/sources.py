"""How the symbols of the broker's two sockets are spread over connections."""

from collections.abc import Iterator, Mapping
from functools import partial

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.hsm import TOPICS_A_CONNECTION, HsmSession
from harvester.brokers.fyers.symbol_lookup import SymbolLookup
from harvester.brokers.fyers.tbt import LookUp, TbtSession
from harvester.brokers.protocol import GroupPlan
from harvester.config.feeds import DEPTH_CONNECTIONS, DEPTH_SYMBOLS_A_CONNECTION, HsmSettings, TbtSettings
from harvester.journal.format import FYERS_HSM, FYERS_TBT


class HsmSource:
    """The data socket: as many symbols a connection as its limits allow; the symbol master says their topics."""

    number = FYERS_HSM

    def __init__(self, symbols: tuple[str, ...], settings: HsmSettings, lookup: SymbolLookup) -> None:
        self.symbols = symbols
        self.stale_ns = int(settings.mute_seconds * NS_PER_SECOND)
        self.topics = lookup.known
        self.recall = lookup.remember
        self._settings = settings
        self._lookup = lookup

    async def plan(self) -> list[GroupPlan]:
        topics = await self._lookup.topics(self.symbols)
        return [
            GroupPlan(
                tuple(dict.fromkeys(share.values())),
                partial(HsmSession, share, self._settings.url),
                redundant=self._settings.redundant,
                may_overlap=True,
            )
            for share in _shares(topics, self._settings.symbols_per_connection)
        ]


class TbtSource:
    """The 50-level socket: 5 symbols a connection, 3 connections an account."""

    number = FYERS_TBT

    def __init__(self, settings: TbtSettings, app_id: str, look_up: LookUp) -> None:
        self.symbols = settings.symbols
        self.stale_ns = int(settings.mute_seconds * NS_PER_SECOND)
        self._new_session = partial(TbtSession, app_id=app_id, url=settings.url, look_up=look_up)

    async def plan(self) -> list[GroupPlan]:
        starts = range(0, len(self.symbols), DEPTH_SYMBOLS_A_CONNECTION)
        groups = [self.symbols[start : start + DEPTH_SYMBOLS_A_CONNECTION] for start in starts]
        has_spare = len(groups) < DEPTH_CONNECTIONS
        return [GroupPlan(group, partial(self._new_session, group), may_overlap=has_spare) for group in groups]

    def topics(self) -> dict[str, list[str]]:
        return {}

    def recall(self, topics: dict[str, list[str]]) -> None:
        """This socket is asked for symbols by their tickers."""


def _shares(topics: Mapping[str, list[str]], most_symbols: int) -> Iterator[dict[str, str]]:
    """The topics of each connection, with the symbol that each is of."""
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
