"""The price feed that functions bring without a host: its symbols and its place, refused where they cannot work."""

import re
from collections.abc import Sequence

from harvester.base.errors import ConfigError
from harvester.config.feeds import LONGEST_TICKER, NSE_TICKER, repeated
from harvester.price_feed.layout import clean

MOST_SYMBOLS = 400
"""A round of requests 0.3 s apart, with their answers, ends before the next one begins five minutes later."""
PREFIX = re.compile(r"^([A-Za-z0-9_-]+/){0,5}\Z")
SYMBOLS, PLACE, HOSTS = "aws_functions_feed_symbols", "aws_functions_feed_prefix", "aws_storage_price_feed"


def feed_of(symbols: Sequence[str], prefix: str, of_hosts: Sequence[str]) -> list[str]:
    """The tickers of the functions' feed; none: there is no such feed.

    `prefix`: below it in the bucket the feed lies. `of_hosts`: below these hosts deliver theirs. Raises ConfigError.
    """
    if not symbols:
        return []
    for symbol in symbols:
        if not re.match(NSE_TICKER, str(symbol)) or len(symbol) > LONGEST_TICKER:
            raise ConfigError(f"{SYMBOLS}: {symbol!r} is no ticker. Write it as NSE:SBIN-EQ.")
    if twice := repeated(symbols):
        raise ConfigError(f"{SYMBOLS} names twice: {', '.join(twice)}. Name each once.")
    if same := repeated([clean(symbol) for symbol in symbols]):
        raise ConfigError(f"{SYMBOLS}: two tickers would both be symbol={same[0]} in the feed. Leave one out.")
    if len(symbols) > MOST_SYMBOLS:
        raise ConfigError(
            f"{SYMBOLS} has {len(symbols)} tickers, and in the five minutes from one round to the next at most"
            f" {MOST_SYMBOLS} can be asked. Name fewer, or have a host deliver them ({HOSTS})."
        )
    if not PREFIX.match(prefix):
        raise ConfigError(f"{PLACE} {prefix!r}: letters, digits, - and _, each part ending in a slash, such as feed/.")
    if prefix in of_hosts:
        raise ConfigError(
            f"{PLACE} {prefix!r}: a host delivers its price feed there, too ({HOSTS}), and two deliveries to one place"
            " refuse each other's files. Give one of them another prefix."
        )
    return list(symbols)
