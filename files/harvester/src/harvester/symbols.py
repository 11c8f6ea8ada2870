"""The broker's symbol master: 21 columns, no header, one file per segment (Fyers API docs, symbol master)."""

import asyncio
import csv
import difflib
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from harvester.errors import ConfigError, HarvesterError

COLUMNS = 21
TICKER = 9
DOWNLOAD_SECONDS = 60.0
DOWNLOAD_LIMIT = 64 << 20
NEAR_MATCHES = 3


def master_file(symbol: str) -> str:
    """The master that lists `symbol`: cash tickers carry a series after a dash, derivatives do not."""
    exchange, _, name = symbol.partition(":")
    if exchange == "MCX":
        return "MCX_COM.csv"
    return f"{exchange}_CM.csv" if "-" in name else f"{exchange}_FO.csv"


def read_tickers(lines: Iterable[str], source: str) -> Iterator[str]:
    """Tickers of a master's lines. Raises HarvesterError where a line does not have its 21 columns."""
    for number, row in enumerate(csv.reader(lines), start=1):
        if len(row) != COLUMNS:
            raise HarvesterError(
                f"{source}: line {number} has {len(row)} columns instead of {COLUMNS}, so this is not the broker's"
                " symbol master. Download it again."
            )
        yield row[TICKER]


def find_unknown(symbols: Iterable[str], tickers: Iterable[str]) -> dict[str, list[str]]:
    """The symbols that no master lists, each with the tickers that look most like it."""
    known = set(tickers)
    return {
        symbol: difflib.get_close_matches(symbol, known, n=NEAR_MATCHES, cutoff=0.75)
        for symbol in symbols
        if symbol not in known
    }


def describe_unknown(unknown: dict[str, list[str]]) -> str:
    """One sentence per symbol, with what may have been meant."""
    return " ".join(
        f"{symbol} is not in the broker's symbol master" + (f"; near: {', '.join(near)}." if near else ".")
        for symbol, near in unknown.items()
    )


def check_symbols(symbols: Iterable[str], master: Path) -> None:
    """Raise ConfigError when a symbol is not in the master file at `master`."""
    try:
        with master.open(encoding="utf-8", newline="") as file:
            unknown = find_unknown(symbols, read_tickers(file, str(master)))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{master}: the symbol master cannot be read: {error}.") from error
    if unknown:
        raise ConfigError(
            f"symbols: {describe_unknown(unknown)} Correct the list; tickers change when companies are renamed."
        )


async def download_unknown(symbols: Iterable[str], public_url: str) -> dict[str, list[str]]:
    """Ask the broker's own masters which symbols they do not list. Raises HarvesterError when they cannot be had."""
    by_file: dict[str, list[str]] = {}
    for symbol in symbols:
        by_file.setdefault(master_file(symbol), []).append(symbol)
    unknown: dict[str, list[str]] = {}
    async with httpx.AsyncClient(verify=ssl.create_default_context(), timeout=DOWNLOAD_SECONDS) as client:
        for name, wanted in by_file.items():
            url = f"{public_url}/sym_details/{name}"
            tickers = await _download_tickers(client, url)
            unknown |= await asyncio.to_thread(find_unknown, wanted, tickers)
    return unknown


async def _download_tickers(client: httpx.AsyncClient, url: str) -> list[str]:
    """The tickers of a master, line by line and within limits, so that a large one never lies in memory."""
    tickers: list[str] = []
    size = 0
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS), client.stream("GET", url) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                size += len(line)
                if size > DOWNLOAD_LIMIT:
                    raise HarvesterError(f"{url}: longer than {DOWNLOAD_LIMIT} bytes; not a symbol master.")
                tickers.extend(read_tickers([line], url))
    except (httpx.HTTPError, TimeoutError) as error:
        raise HarvesterError(f"{url}: the symbol master could not be downloaded ({type(error).__name__}).") from error
    return tickers
