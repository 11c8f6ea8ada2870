"""HTTP answers in the broker's form: JSON with `s`, `code` and `message`, and numbers as its servers write them."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from exchange.tokens import Refusal

NO_LIST = (-50, "Please provide symbols as a list")
NO_CANDLES = {"s": "no_data", "candles": []}
"""The answer of /data/history where nothing traded in the range."""


def dump(data: object) -> bytes:
    """Compact JSON as on the wire."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def reply(data: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=dump(data), status=status, content_type="application/json", headers=headers)


def success(**fields: Any) -> web.Response:
    """An answer with s, code 200 and an empty message, and the given fields."""
    return reply({"s": "ok", "code": 200, "message": "", **fields})


def refuse(code: int, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> web.Response:
    """The broker's error body with an HTTP status."""
    return reply({"s": "error", "code": code, "message": message}, status=status, headers=headers)


def unauthorized(refusal: Refusal) -> web.Response:
    """HTTP 401 for a token that is missing, wrong, expired or revoked."""
    return refuse(refusal.code, refusal.message, status=401)


async def listed_symbols(request: web.Request) -> list[str] | None:
    """The list `symbols` of a JSON body; None where there is none, which is answered with NO_LIST."""
    try:
        return [str(symbol) for symbol in (await request.json())["symbols"]]
    except (ValueError, KeyError, TypeError):
        return None


def rupees(units: int, per_rupee: int = 100) -> int | float:
    """A price as the broker's JSON has it: whole rupees without a decimal point. `units` are paise unless told."""
    whole, rest = divmod(units, per_rupee)
    return units / per_rupee if rest else whole


def trimmed(number: float, decimals: int = 2) -> int | float:
    """So many decimals, none when they are zero."""
    number = round(number, decimals)
    return int(number) if number == int(number) else number


def schwab_refusal(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The second broker's error body (Schwab's developer portal, market data errors)."""
    error = {"id": secrets.token_hex(16), "status": str(status), "title": title, "detail": detail}
    return reply({"errors": [error]}, status=status, headers=headers)


def no_candles(symbol: str) -> dict[str, object]:
    """Its answer where nothing traded in the range, or nothing is known of the symbol."""
    return {"candles": [], "symbol": symbol, "empty": True}
