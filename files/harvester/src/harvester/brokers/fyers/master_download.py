"""Looks symbols up in the broker's own symbol masters, which are kept, and says what became of those that are gone."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from msgspec import to_builtins

from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.release import USER_AGENT
from harvester.brokers.fyers.found import FoundSymbols, find_symbols
from harvester.brokers.fyers.masters import KeptMasters, MasterFile
from harvester.brokers.fyers.resolution import concerns, explain_absent, resolve_rule
from harvester.brokers.fyers.symbols import FILES
from harvester.brokers.fyers.topics import INDEX
from harvester.config.rules import IndexList, Resolved, SymbolRule

PRICES = "NSE_CM_sym_master.json"
INDEX_NAMES = "index_hsm_mapping.json"
DOWNLOAD_SECONDS = 60.0
CASH, DERIVATIVES = ("nse_cm", "bse_cm"), ("NSE_FO", "BSE_FO")
DOWNLOAD_LIMIT = 64 << 20
NOT_FOUND = 404


async def download_symbols(symbols: Iterable[str], public_url: str, kept: KeptMasters, today: date) -> FoundSymbols:
    """Look the symbols up in the broker's own masters of today. Raises HarvesterError when they cannot be had."""
    symbols = list(symbols)
    by_exchange: dict[str, list[str]] = {}
    for symbol in symbols:
        by_exchange.setdefault(symbol.partition(":")[0], []).append(symbol)
    tls, headers = ssl.create_default_context(), {"User-Agent": USER_AGENT}
    found = FoundSymbols({}, {}, {}, [])
    async with httpx.AsyncClient(verify=tls, timeout=DOWNLOAD_SECONDS, headers=headers) as client:
        with TemporaryDirectory(prefix="masters-") as scratch:
            source = _MasterSource(client, f"{public_url}/sym_details", Path(scratch), kept, today, found.remarks)
            for exchange, wanted in by_exchange.items():
                masters = [master async for master in source.until_found(FILES.get(exchange, ()), wanted)]
                part = await asyncio.to_thread(find_symbols, wanted, masters, kept, today)
                found.listings.update(part.listings)
                found.lost.update(part.lost)
                found.remarks.extend(part.remarks)
            if any(row.segment in CASH for row in found.listings.values()):
                found = found._replace(underlyings=await source.read_underlyings())
            if any(name.endswith(INDEX) for name in found.listings):
                text = "".join([line async for line in _download(client, f"{public_url}/sym_details/{INDEX_NAMES}")])
                found.index_names.update(_parse_names(text))
    return found._replace(listings={name: found.listings[name] for name in symbols if name in found.listings})


async def resolve_rules(
    rules: Sequence[SymbolRule], lists: Sequence[IndexList], public_url: str, kept: KeptMasters, now_ns: int
) -> tuple[Resolved, list[str]]:
    """What the rules stand for today, and remarks on the masters. Raises HarvesterError, ConfigError for a rule."""
    listed = {each.index: each for each in lists}
    pairs = [(rule, listed.get(rule.index or "")) for rule in rules]
    today, remarks = to_local(now_ns).date(), list[str]()
    tls, headers = ssl.create_default_context(), {"User-Agent": USER_AGENT}
    prices: dict[str, Decimal] = {}
    async with httpx.AsyncClient(verify=tls, timeout=DOWNLOAD_SECONDS, headers=headers) as client:
        with TemporaryDirectory(prefix="masters-") as scratch:
            source = _MasterSource(client, f"{public_url}/sym_details", Path(scratch), kept, today, remarks)
            masters = [master async for master in source.all_of(("NSE_CM", "NSE_FO"))]
            rows = [row for master in masters for row in master.rows() if any(concerns(*pair, row) for pair in pairs)]
        if any(rule.strikes for rule in rules):
            prices = _parse_prices([line async for line in _download(client, f"{public_url}/sym_details/{PRICES}")])
    found = [
        {"rule": to_builtins(rule), "symbols": resolve_rule(rule, rows, prices, now_ns, members)}
        | ({"date": members.date.isoformat(), "absent": explain_absent(rows, members)} if members else {})
        for rule, members in pairs
    ]
    return Resolved(today.isoformat(), found), remarks


def _parse_prices(lines: Iterable[str]) -> dict[str, Decimal]:
    """The previous close by fyToken, from a master in JSON: an object by ticker (Fyers API docs, symbol master)."""
    try:
        rows = json.loads("".join(lines), parse_float=Decimal).values()
        closes = {str(row["fyToken"]): row.get("previousClose") for row in rows}
    except (ValueError, ArithmeticError, AttributeError, TypeError, KeyError, RecursionError):
        raise HarvesterError(f"{PRICES}: not the broker's symbol master in JSON. It is tried again later.") from None
    return {token: Decimal(close) for token, close in closes.items() if isinstance(close, int | Decimal) and close > 0}


class _MasterSource:
    """Fetches masters into a scratch directory, and keeps those that are whole."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, scratch: Path, kept: KeptMasters, today: date, remarks: list[str]
    ) -> None:
        self._client = client
        self._url = url
        self._scratch = scratch
        self._kept = kept
        self._today = today
        self._remarks = remarks

    async def until_found(self, names: Iterable[str], wanted: Iterable[str]) -> AsyncIterator[MasterFile]:
        """The masters of these names, one after the other, until all that is wanted is listed in one of them."""
        left = set(wanted)
        for number, name in enumerate(names):
            master = await self._fetch(name, is_needed=number == 0)
            if master:
                yield master
                left -= await asyncio.to_thread(_listed_in, master, left)
            if not left:
                return

    async def all_of(self, names: Iterable[str]) -> AsyncIterator[MasterFile]:
        """The masters of these names."""
        for name in names:
            if master := await self._fetch(name, is_needed=True):
                yield master

    async def read_underlyings(self) -> frozenset[str]:
        """Names of what has derivatives on either exchange; a master that cannot be had has none."""
        names: set[str] = set()
        for name in DERIVATIVES:
            with suppress(HarvesterError):  # few names are found then, and nobody is classed by few
                if master := await self._fetch(name, is_needed=False):
                    names.update(await asyncio.to_thread(lambda rows: {row.root for row in rows}, master.rows()))
        return frozenset(names)

    async def _fetch(self, name: str, *, is_needed: bool) -> MasterFile | None:
        """Today's master, or one that is kept where today's is not whole; None: there is none of this name."""
        fresh = MasterFile(self._today, self._scratch / f"{name}.csv.gz")
        try:
            with gzip.open(fresh.path, "wt", encoding="utf-8", newline="\n") as file:
                async for line in _download(self._client, f"{self._url}/{name}.csv"):
                    file.write(line + "\n")
        except _AbsentError:
            if is_needed:
                raise
            return None
        return await asyncio.to_thread(self._choose, name, fresh, is_needed=is_needed)

    def _choose(self, name: str, fresh: MasterFile, *, is_needed: bool) -> MasterFile | None:
        malformed: list[int] = []
        count = sum(1 for _ in fresh.rows(malformed))
        before, rows_before = next(((each, rows) for each in self._kept.of(name) if (rows := each.size())), (None, 0))
        if before and 2 * count <= rows_before:
            self._remarks.append(
                f"{name}.csv has {count} rows today and had {rows_before} on {before.day}, whose master is used on; if"
                f" today's is right, remove {before.path}"
            )
            return before
        if not count and (is_needed or malformed):
            raise HarvesterError(f"{self._url}/{name}.csv: not the broker's symbol master: it has no row of one.")
        if malformed:
            lines = ", ".join(map(str, malformed[:5])) + (" ..." if len(malformed) > 5 else "")
            self._remarks.append(f"{name}.csv: {len(malformed)} of its rows cannot be read (line {lines}); passed over")
        try:
            self._kept.keep(name, self._today, fresh.path)
        except OSError as error:
            self._remarks.append(f"{name}.csv cannot be kept: {error}; a symbol that is renamed will have no successor")
        return fresh


def _listed_in(master: MasterFile, symbols: set[str]) -> set[str]:
    return {row.ticker for row in master.rows() if row.ticker in symbols}


class _AbsentError(HarvesterError):
    """There is no such file."""


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
            if response.status_code == NOT_FOUND:
                raise _AbsentError(f"{url}: the symbol master could not be downloaded (not found).")
            response.raise_for_status()
            async for line in response.aiter_lines():
                size += len(line)
                if size > DOWNLOAD_LIMIT:
                    raise HarvesterError(f"{url}: longer than {DOWNLOAD_LIMIT} bytes; not a symbol master.")
                yield line
    except (httpx.HTTPError, TimeoutError) as error:
        raise HarvesterError(
            f"{url}: the symbol master could not be downloaded ({type(error).__name__}). Look whether this machine"
            " reaches it, and run the command again."
        ) from error
