"""Rows and whole files in the form of the broker's symbol master, made up, and a look-up in them."""

import asyncio
from datetime import date
from pathlib import Path

from aiohttp import web
from tests.recorder.broker import FakeBroker

from harvester.brokers.fyers.found import FoundSymbols
from harvester.brokers.fyers.master_download import download_symbols
from harvester.brokers.fyers.masters import KeptMasters

TODAY = date(2026, 11, 24)


def row(
    ticker: str,
    *,
    fy_token: str = "10100000003045",  # noqa: S107  # a number of the exchange
    name: str = "A COMPANY LIMITED",
    isin: str = "INE062A01020",
    tick: str = "0.05",
    expiry: str = "",
    root: str | None = None,
    kind: str = "0",
    strike: str = "-1.0",
    option: str = "XX",
    underlying: str | None = None,
) -> str:
    """One row of 21 columns."""
    root = root or ticker.partition(":")[2].rpartition("-")[0] or ticker
    number = fy_token[10:]
    cells = [fy_token, name, kind, "1", tick, isin, "0915-1530|1815-1915:", "2026-11-24", expiry, ticker, fy_token[:2]]
    cells += [fy_token[2:4], number, root, number, strike, option, underlying or fy_token, "None", "1", "0.0"]
    return ",".join(cells)


def share(name: str, number: int, isin: str, series: str = "EQ") -> str:
    """A share of NSE."""
    return row(f"NSE:{name}-{series}", fy_token=f"1010000000{number}", isin=isin, name=f"{name} LIMITED", root=name)


def future(name: str, number: int, underlying: str) -> str:
    """A future of NSE that expires on 2026-12-29."""
    return row(
        f"NSE:{name}26DECFUT",
        fy_token=f"1011261229{number}",
        isin="",
        expiry="1798539000",
        root=name,
        kind="13",
        underlying=underlying,
    )


def lines(*rows: str) -> str:
    return "".join(f"{each}\n" for each in rows)


SHARES = {
    "SBIN": (3045, "INE062A01020"),
    "INFY": (1594, "INE009A01021"),
    "TATAMOTORS": (3456, "INE155A01022"),
    "TVSMOTOR": (8479, "INE494B01023"),
    "M&M": (2031, "INE101A01026"),
    "BAJAJ-AUTO": (16669, "INE917I01010"),
}
NSE_CM = lines(*(share(name, *what) for name, what in SHARES.items()))
NSE_FO = lines(
    future("NIFTY", 60000, "101000000026000"),
    future("BAJAJ-AUTO", 60001, "101000000016669"),
)


def download(
    certificate: tuple[Path, Path], kept: KeptMasters, symbols: list[str], files: dict[str, str], today: date = TODAY
) -> FoundSymbols:
    """Look the symbols up at a broker that serves these files; other masters it does not have."""

    async def play() -> FoundSymbols:
        broker = FakeBroker(certificate)

        async def serve(request: web.Request) -> web.Response:
            name = request.path.rpartition("/")[2].removesuffix(".csv")
            return web.Response(text=files[name]) if name in files else web.Response(status=404)

        broker.extra_routes["/sym_details/{name}"] = serve
        async with broker:
            return await download_symbols(symbols, broker.url, kept, today)

    return asyncio.run(play())
