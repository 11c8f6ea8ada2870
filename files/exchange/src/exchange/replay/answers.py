"""GET /depth of a recorded day: the recorded answer in force, or else one made of what the data socket shows."""

import json
from typing import Any

from exchange.market.instruments import Instrument
from exchange.quotes import recorded_row, recorded_sides
from exchange.replay.player import Player

FIELDS = {
    "total_buy_qty": "tot_buy_qty", "total_sell_qty": "tot_sell_qty", "open": "open_price", "high": "high_price",
    "low": "low_price", "prev_close": "prev_close_price", "ltq": "last_traded_qty", "ltt": "last_traded_time",
    "ltp": "ltp", "volume": "vol_traded_today", "atp": "avg_trade_price", "lower_ckt": "lower_ckt",
    "upper_ckt": "upper_ckt", "oi": "OI",
}  # fmt: skip
"""The lake's names of a row's values, and those of a topic's fields."""


class RecordedDepth:
    """Rows as of the replay's clock, whatever the wall clock says."""

    def __init__(self, player: Player, instruments: dict[str, Instrument]) -> None:
        self._player = player
        self._instruments = instruments
        self._topics: dict[str, dict[str, str]] = {}
        for topic, ticker in player.recording.topics.items():
            self._topics.setdefault(ticker, {})[topic[:2]] = topic

    def row(self, symbol: str, _: int) -> dict[str, Any] | None:
        body = self._player.answers.get(symbol)
        if body is not None:
            found: dict[str, Any] | None = json.loads(body).get("d", {}).get(symbol)
            return found
        topics = self._topics.get(symbol)
        return self._from_topics(topics, self._instruments[symbol]) if topics else None

    def _from_topics(self, topics: dict[str, str], instrument: Instrument) -> dict[str, Any]:
        """Nothing is known before the first snapshot, so all is 0 until then."""
        symbol, depth = self._values(topics, "sf", "if"), self._values(topics, "dp")
        values = {name: symbol.get(field, 0) for name, field in FIELDS.items()}
        sides = recorded_sides(depth, "price", "size", "order")
        return recorded_row(values, sides, instrument.tick, instrument.expiry)

    def _values(self, topics: dict[str, str], *kinds: str) -> dict[str, int]:
        name = next((topics[kind] for kind in kinds if kind in topics), None)
        return self._player.hsm.values(name) if name else {}
