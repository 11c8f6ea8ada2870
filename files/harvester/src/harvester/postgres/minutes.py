"""Rows of the users' two tables: the close and the volume of each bar, and its SMA9 and VWAP."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.config.row_tables import EQUITY_DATA, INDICATORS, ticker_of
from harvester.indicators.averages import averages_of, round_price
from harvester.live.bars import Minute
from harvester.postgres.columns import Row

TICKER_LIMIT = 10


def tickers_of(symbols: Iterable[str]) -> dict[str, str]:
    """The ticker of each symbol. Raises ConfigError where two would have one, or one is too long."""
    tickers = {symbol: ticker_of(symbol) for symbol in symbols}
    seen: dict[str, str] = {}
    for symbol, ticker in tickers.items():
        if other := seen.get(ticker):
            raise ConfigError(
                f"{symbol} and {other} would both be {ticker} in the tables. Leave one out of candles.symbols."
            )
        if len(ticker) > TICKER_LIMIT:
            raise ConfigError(
                f"{symbol}: {ticker} has more than the {TICKER_LIMIT} letters of the tables' tickers. Leave it out of"
                " candles.symbols; a table with rows of candles takes symbols of any length."
            )
        seen[ticker] = symbol
    return tickers


def rows_of(
    ticker: str, bars: Sequence[Minute], in_session: Collection[int], units: int, first: int = 0
) -> dict[str, list[Row]]:
    """A row for each bar in equity_data, and in indicators for those of the session; by what the rows are.

    `units` of the bars' prices are 1 in the table, where they have two decimals. `in_session` has the begins of the
    bars from its opening: what was traded before or in an auction moves no average. Rows are of the bars from `first`
    on; those before it count in their averages.
    """
    begins = {bar.begin_ns: datetime.fromtimestamp(bar.begin_ns // NS_PER_SECOND, UTC) for bar in bars[first:]}
    counted = [bar for bar in bars if bar.begin_ns in in_session]
    shown = [bar for bar in counted if bar.begin_ns in begins]
    found = averages_of([(bar.close, bar.volume) for bar in counted], len(counted) - len(shown))
    return {
        EQUITY_DATA: [
            (ticker, begins[bar.begin_ns], round_price(bar.close, units), bar.volume) for bar in bars[first:]
        ],
        INDICATORS: [
            (
                *(ticker, begins[bar.begin_ns], round_price(each.sma9, units)),
                None if each.vwap is None else round_price(each.vwap, units),
            )
            for bar, each in zip(shown, found, strict=True)
        ],
    }
