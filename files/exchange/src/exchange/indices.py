"""Lists of the members of indices, as nsearchives.nseindia.com serves them: CSV, one file an index.

Form: public programs that read content/indices/ind_nifty50list.csv (Company Name, Industry, Symbol, Series, ISIN Code).
Which shares are members is made up: the first of the market's NSE shares by name, as many as the file's name says.
"""

import csv
import io
import re

from aiohttp import web

from exchange.world import World, world_of

PREFIX = "/content/indices/"
NAME = re.compile(r"ind_[a-z]+(?P<count>[0-9]*)list\.csv")
HEAD = ["Company Name", "Industry", "Symbol", "Series", "ISIN Code"]
NSE_SHARES = (10, 10, "0")
"""Exchange, segment and instrument type."""
COMPANY, ISIN, TICKER = 1, 5, 9


async def member_list(request: web.Request) -> web.Response:
    """The list of an index, as faults have it."""
    found = NAME.fullmatch(request.match_info["name"])
    if not found:
        raise web.HTTPNotFound
    world = world_of(request)
    rows = _members(world, int(found["count"] or 0))
    text = io.StringIO()
    if world.faults.of_listing("wide_list"):
        text.write("\ufeff")
        rows = [[number, *row[1:], row[0], "1.25"] for number, row in enumerate(rows, start=1)]
        head = ["Sr. No.", *HEAD[1:], HEAD[0], "Weightage(%)"]
    else:
        head = HEAD
    csv.writer(text).writerows([head, *rows])
    return web.Response(body=text.getvalue().encode(), content_type="text/csv")


def _members(world: World, count: int) -> list[list[object]]:
    renames = {fault.symbol: fault.to for fault in world.faults.of_listing("rename") if fault.to}
    shares = [each for each in world.instruments.values() if (each.exchange, each.segment, each.kind) == NSE_SHARES]
    rows: list[list[object]] = []
    for share in sorted(shares, key=lambda one: one.ticker)[: count or None]:
        if any(fault.names(share.ticker) for fault in world.faults.of_listing("unlist")):
            continue
        symbol, _, series = renames.get(share.ticker, share.ticker).partition(":")[2].rpartition("-")
        rows.append([share.row[COMPANY], "Services", symbol, series, share.row[ISIN]])
    return rows
