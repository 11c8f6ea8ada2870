"""The broker's symbol master: 21 columns, no header, one file per segment (Fyers API docs, symbol master)."""

import asyncio
import csv
import difflib
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.release import USER_AGENT
from harvester.brokers.fyers.segments import Listing
from harvester.brokers.fyers.topics import INDEX

COLUMNS = 21
FY_TOKEN, SESSION, TICKER, UNDERLYING = 0, 6, 9, 13
CASH, DERIVATIVES = ("NSE_CM.csv", "BSE_CM.csv"), ("NSE_FO.csv", "BSE_FO.csv")
INDEX_NAMES = "index_hsm_mapping.json"
DOWNLOAD_SECONDS = 60.0
DOWNLOAD_LIMIT = 64 << 20
NEAR_MATCHES = 3


def master_file(symbol: str) -> str:
    """The master that lists `symbol`: cash tickers carry a series after a dash, derivatives do not."""
    exchange, _, name = symbol.partition(":")
    if exchange == "MCX":
        return "MCX_COM.csv"
    return f"{exchange}_CM.csv" if "-" in name else f"{exchange}_FO.csv"


def read_rows(lines: Iterable[str], source: str) -> Iterator[list[str]]:
    """The columns of each of a master's lines. Raises HarvesterError where one does not have its 21 columns."""
    for number, row in enumerate(csv.reader(lines), start=1):
        if len(row) != COLUMNS:
            raise HarvesterError(
                f"{source}: line {number} has {len(row)} columns instead of {COLUMNS}, so this is not the broker's"
                " symbol master. Download it again."
            )
        yield row


def read_tokens(lines: Iterable[str], source: str) -> Iterator[tuple[str, str]]:
    """Ticker and fyToken of each of a master's lines. Raises HarvesterError as `read_rows` does."""
    return ((row[TICKER], row[FY_TOKEN]) for row in read_rows(lines, source))


def find_unknown(symbols: Iterable[str], tickers: Iterable[str]) -> dict[str, list[str]]:
    """The symbols that no master lists, each with the tickers that look most like it."""
    known = set(tickers)
    return {
        symbol: difflib.get_close_matches(symbol, known, n=NEAR_MATCHES, cutoff=0.75)
        for symbol in symbols
        if symbol not in known
    }


def require_none(unknown: dict[str, list[str]]) -> None:
    """Raise ConfigError when there are unknown symbols: a sentence for each, with the tickers that look like it."""
    if unknown:
        sentences = " ".join(
            f"{symbol} is not in the broker's symbol master" + (f"; near: {', '.join(near)}." if near else ".")
            for symbol, near in unknown.items()
        )
        raise ConfigError(f"symbols: {sentences} Correct the list; tickers change when companies are renamed.")


def check_symbols(symbols: Iterable[str], master: Path) -> None:
    """Raise ConfigError when a symbol is not in the master file at `master`."""
    try:
        with master.open(encoding="utf-8", newline="") as file:
            unknown = find_unknown(symbols, (ticker for ticker, _ in read_tokens(file, str(master))))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{master}: the symbol master cannot be read: {error}.") from error
    require_none(unknown)


class FoundSymbols(NamedTuple):
    """What the broker's masters say of some symbols."""

    tokens: dict[str, str]
    """fyToken of each symbol that is listed."""
    unknown: dict[str, list[str]]
    """Symbols that are not, each with tickers that look like it."""
    index_names: dict[str, str]
    """What the data socket calls each index; empty when there is no index among the symbols."""
    listings: list[Listing]
    """Facts that decide the segment of each symbol that is listed."""
    underlyings: set[str]
    """Names that have derivatives; empty when no cash symbol was asked for, or nobody could say."""


async def download_symbols(symbols: Iterable[str], public_url: str) -> FoundSymbols:
    """Look the symbols up in the broker's own masters. Raises HarvesterError when they cannot be had."""
    by_file: dict[str, list[str]] = {}
    for symbol in symbols:
        by_file.setdefault(master_file(symbol), []).append(symbol)
    found = FoundSymbols({}, {}, {}, [], set())
    tls, headers = ssl.create_default_context(), {"User-Agent": USER_AGENT}
    async with httpx.AsyncClient(verify=tls, timeout=DOWNLOAD_SECONDS, headers=headers) as client:
        for name, wanted in by_file.items():
            listed: dict[str, Listing] = {}
            async for line in _download(client, f"{public_url}/sym_details/{name}"):
                listed.update((row[TICKER], _listing(row)) for row in read_rows([line], name))
            found.listings.extend(listed[symbol] for symbol in wanted if symbol in listed)
            found.unknown.update(await asyncio.to_thread(find_unknown, wanted, listed))
        found.tokens.update({listing.symbol: listing.fy_token for listing in found.listings})
        if any(name in CASH for name in by_file):
            found.underlyings.update(await _read_underlyings(client, public_url))
        if any(symbol.endswith(INDEX) for symbols in by_file.values() for symbol in symbols):
            text = "".join([line async for line in _download(client, f"{public_url}/sym_details/{INDEX_NAMES}")])
            found.index_names.update(_parse_names(text))
    return found


def _listing(row: list[str]) -> Listing:
    return Listing(row[TICKER], row[FY_TOKEN], row[SESSION], row[UNDERLYING])


async def _read_underlyings(client: httpx.AsyncClient, public_url: str) -> set[str]:
    """Names of what has derivatives on either exchange; a master that cannot be had has none."""
    names: set[str] = set()
    for name in DERIVATIVES:
        with suppress(HarvesterError):  # few names are found then, and nobody is classed by few
            async for line in _download(client, f"{public_url}/sym_details/{name}"):
                names.update(row[UNDERLYING] for row in read_rows([line], name))
    return names


def _parse_names(text: str) -> dict[str, str]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, dict):
        raise HarvesterError(f"{INDEX_NAMES}: not a list of index names. Try again later.")
    return {str(ticker): name for ticker, name in names.items() if isinstance(name, str)}


async def _download(client: httpx.AsyncClient, url: str) -> AsyncIterator[str]:
    """The lines of a file, one by one and within limits, so that a large one never lies in memory."""
    size = 0
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS), client.stream("GET", url) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                size += len(line)
                if size > DOWNLOAD_LIMIT:
                    raise HarvesterError(f"{url}: longer than {DOWNLOAD_LIMIT} bytes; not a symbol master.")
                yield line
    except (httpx.HTTPError, TimeoutError) as error:
        raise HarvesterError(f"{url}: the symbol master could not be downloaded ({type(error).__name__}).") from error
