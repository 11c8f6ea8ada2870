"""GET /depth of a recorded day: the recorded answer in force, or else one made of what the data socket shows."""

import json
from typing import Any

from exchange.market.instruments import Instrument
from exchange.replay.player import Player
from exchange.replies import rupees, trimmed

LEVELS = range(1, 6)


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

        def number(name: str) -> int:
            return symbol.get(name, 0)

        def side(name: str) -> list[dict[str, int | float]]:
            return [
                {
                    "price": rupees(depth.get(f"{name}_price{level}", 0)),
                    "volume": depth.get(f"{name}_size{level}", 0),
                    "ord": depth.get(f"{name}_order{level}", 0),
                }
                for level in LEVELS
            ]

        last, close = number("ltp"), number("prev_close_price")
        return {
            "totalbuyqty": number("tot_buy_qty"), "totalsellqty": number("tot_sell_qty"),
            "ask": side("ask"), "bids": side("bid"),
            "o": rupees(number("open_price")), "h": rupees(number("high_price")),
            "l": rupees(number("low_price")), "c": rupees(close),
            "chp": trimmed(100 * (last - close) / close) if close else 0,
            "tick_Size": rupees(instrument.tick), "ch": (last - close) / 100,
            "ltq": number("last_traded_qty"), "ltt": number("last_traded_time"), "ltp": rupees(last),
            "v": number("vol_traded_today"), "atp": rupees(number("avg_trade_price")),
            "lower_ckt": rupees(number("lower_ckt")), "upper_ckt": rupees(number("upper_ckt")),
            "expiry": instrument.expiry, "oi": number("OI"), "oiflag": bool(number("OI")), "pdoi": 0, "oipercent": 0,
        }  # fmt: skip

    def _values(self, topics: dict[str, str], *kinds: str) -> dict[str, int]:
        name = next((topics[kind] for kind in kinds if kind in topics), None)
        return self._player.hsm.values(name) if name else {}
