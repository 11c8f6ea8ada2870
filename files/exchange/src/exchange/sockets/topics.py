"""Which topics of the data socket belong to which symbol (SDK 3.2.0, data_ws:SymbolConversion)."""

from collections.abc import Mapping

from exchange.market.instruments import Instrument
from exchange.wire.hsm import Topic

SEGMENTS = {
    "1010": "nse_cm", "1011": "nse_fo", "1012": "cde_fo", "1020": "nse_com",
    "1120": "mcx_fo", "1210": "bse_cm", "1211": "bse_fo", "1212": "bcs_fo",
}  # fmt: skip
"""Name of a segment in topics, by the first four digits of the symbol's fyToken."""
TOKEN_AT = 10
"""Where the exchange token begins in a fyToken."""
INDEX_SUFFIX = "-INDEX"
INDEX_NAMES = {"NSE:NIFTY50-INDEX": "Nifty 50", "NSE:NIFTYBANK-INDEX": "Nifty Bank"}
"""Names that are not the stem of the ticker."""


def index_name(ticker: str) -> str:
    """By what name the data socket knows an index."""
    return INDEX_NAMES.get(ticker) or ticker.partition(":")[2].removesuffix(INDEX_SUFFIX)


def topic_name(kind: str, instrument: Instrument) -> str | None:
    """The topic of kind `sf` or `dp`, or `if` for an index; None where there is none."""
    segment = SEGMENTS.get(instrument.token[:4])
    is_index = instrument.ticker.endswith(INDEX_SUFFIX)
    if segment is None or is_index != (kind == "if"):
        return None
    return f"{kind}|{segment}|{index_name(instrument.ticker) if is_index else instrument.token[TOKEN_AT:]}"


class TopicMap:
    """Topics of the given instruments by name."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._found = {
            name: (kind, item)
            for item in instruments.values()
            for kind in ("sf", "dp", "if")
            if (name := topic_name(kind, item)) is not None
        }

    def find(self, name: str) -> tuple[str, Instrument] | None:
        """Kind and instrument of a topic; None for one that does not exist."""
        return self._found.get(name)


def describe(name: str, instrument: Instrument) -> Topic:
    """What a snapshot says about the topic; its precision is the decimals of the instrument's unit of price."""
    _, segment, token = name.split("|")
    return Topic(name, 1, instrument.decimals, segment, token, instrument.short_name)
