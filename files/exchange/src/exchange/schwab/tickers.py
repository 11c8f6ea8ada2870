"""The tickers that the stand-in lists: funds and stocks, of which the market model makes prices in half cents."""

from exchange.market.instruments import FINE, Instrument

LISTED = {
    "QQQ": "INVESCO QQQ TRUST SERIES I",
    "SPY": "STATE STREET SPDR S&P 500 ETF",
    "IWM": "ISHARES RUSSELL 2000 ETF",
    "AAPL": "APPLE INC",
    "MSFT": "MICROSOFT CORP",
    "NVDA": "NVIDIA CORP",
    "BRK/B": "BERKSHIRE HATHAWAY INC CLASS B",
}
HALF_CENT = 50
"""In units of 1/10000 dollar: trades at the middle of a spread have three decimals, as a seventh of QQQ's closes had on
2019-02-11."""
COLUMNS = 21


def us_instruments() -> dict[str, Instrument]:
    """Of each listed ticker, as the market model takes it."""
    return {ticker: Instrument(ticker, "", "0", 1, HALF_CENT, "", 0, 0, ("",) * COLUMNS, FINE) for ticker in LISTED}
