"""Calls of the broker's API beside market data: the books of an account that has never traded, and orders refused.

Paths and methods are those of the SDK 3.2.0. The app has data permission only: what would change something is refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from exchange.replies import refuse, success

API = "/api/v3"
FUNDS = (
    "Total Balance", "Utilized Amount", "Clear Balance", "Realized Profit and Loss", "Collaterals", "Fund Transfer",
    "Receivables", "Adhoc Limit", "Limit at start of the day", "Available Balance",
)  # fmt: skip
"""Titles in the order of their ids, from 1 (Fyers API docs, funds)."""
NO_HOLDINGS = dict.fromkeys(("count_total", "total_investment", "total_current_value", "total_pl", "pnl_perc"), 0)
NO_POSITIONS = dict.fromkeys(("count_total", "count_open", "pl_total", "pl_realized", "pl_unrealized"), 0)
BOOKS: dict[str, dict[str, Any]] = {
    "/funds": {
        "fund_limit": [
            {"id": number, "title": title, "equityAmount": 0, "commodityAmount": 0}
            for number, title in enumerate(FUNDS, start=1)
        ]
    },
    "/holdings": {"holdings": [], "overall": NO_HOLDINGS},
    "/positions": {"netPositions": [], "overall": NO_POSITIONS},
    "/orders": {"orderBook": []},
    "/gtt/orders": {"orderBook": []},
    "/smart-order/orderbook": {"orderBook": []},
    "/tradebook": {"tradeBook": []},
    "/price-alert": {"data": []},
    "/flows/tc/se": {"data": []},
    "/order-history": {"data": []},
    "/trade-history": {"data": []},
    "/charges-history": {"data": []},
    "/realised-pnl-history": {"data": []},
    "/tax-pnl-history": {"data": []},
    "/ledger-history": {"data": []},
}
"""What each book answers besides `s`, `code` and `message`."""
CHANGES = {
    "/orders/sync": ("POST", "PATCH", "DELETE"),
    "/multi-order/sync": ("POST", "PATCH", "DELETE"),
    "/multileg/orders/sync": ("POST",),
    "/gtt/orders/sync": ("POST", "PATCH", "DELETE"),
    "/positions": ("POST", "PATCH", "DELETE"),
    "/price-alert": ("POST", "PUT", "DELETE"),
    "/toggle-alert": ("PUT",),
    "/smart-order/step": ("POST",),
    "/smart-order/limit": ("POST",),
    "/smart-order/trail": ("POST",),
    "/smart-order/sip": ("POST",),
    "/smart-order/modify": ("PATCH",),
    "/smart-order/cancel": ("DELETE",),
    "/smart-order/pause": ("PATCH",),
    "/smart-order/resume": ("PATCH",),
    "/flows/tc/se": ("POST", "PUT"),
    "/flows/tc/se/activate": ("POST",),
}
"""Paths and methods that enter, change or end something."""
NO_PERMISSION = (-373, "Your app does not have the permission to place orders")
"""The code was seen by users of apps without a permission; the words are ours."""
FORBIDDEN = 403


def _book(fields: Mapping[str, Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return success(**fields)

    return answer


async def _change(_: web.Request) -> web.Response:
    return refuse(*NO_PERMISSION, status=FORBIDDEN)


def account_routes() -> list[web.RouteDef]:
    """Routes of all of them."""
    books = [web.get(API + path, _book(fields)) for path, fields in BOOKS.items()]
    return books + [web.route(method, API + path, _change) for path, methods in CHANGES.items() for method in methods]
