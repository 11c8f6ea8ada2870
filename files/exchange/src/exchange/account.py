"""Account endpoints: token exchange, refresh, logout and profile."""

import hashlib
import hmac
import json
from typing import Any

from aiohttp import web

from exchange.replies import refuse, success, unauthorized
from exchange.tokens import Refusal
from exchange.world import World, world_of

BAD_HASH = (-371, "Please provide sha256 hash of appId and app secret")
BAD_GRANT = (-441, "invalid grant type")
BAD_CODE = -437
REFRESH_DISCONTINUED = Refusal(-16, "Refresh token API is currently disabled to comply with SEBI regulations.")
"""The old refresh flow ended on 2026-04-01; this text was seen by a user of it afterwards."""


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _hash_is_right(world: World, given: object) -> bool:
    expected = hashlib.sha256(f"{world.app.app_id}:{world.app.secret}".encode()).hexdigest()
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())


async def validate_authcode(request: web.Request) -> web.Response:
    """Exchange an auth code for an access token (Fyers API docs, authentication)."""
    world, body = world_of(request), await _body(request)
    if body.get("grant_type") != "authorization_code":
        return refuse(*BAD_GRANT)
    if not _hash_is_right(world, body.get("appIdHash")):
        return refuse(*BAD_HASH)
    fault = world.tokens.redeem(str(body.get("code", "")))
    if fault:
        return refuse(BAD_CODE, fault)
    access, refresh = world.tokens.mint_access_token(), world.tokens.mint_refresh_token()
    return success(access_token=access, refresh_token=refresh)


async def validate_refresh_token(request: web.Request) -> web.Response:
    """The retired refresh flow: refused, or as it was when the exchange was started so."""
    world, body = world_of(request), await _body(request)
    if not world.refresh_allowed:
        return unauthorized(REFRESH_DISCONTINUED)
    if body.get("grant_type") != "refresh_token":
        return refuse(*BAD_GRANT)
    if not _hash_is_right(world, body.get("appIdHash")):
        return refuse(*BAD_HASH)
    refusal = world.tokens.check_refresh_token(str(body.get("refresh_token", "")))
    if refusal:
        return unauthorized(refusal)
    if not hmac.compare_digest(str(body.get("pin", "")).encode(), world.app.pin.encode()):
        return refuse(-50, "Please provide a valid pin")
    return success(access_token=world.tokens.mint_access_token())


async def logout(request: web.Request) -> web.Response:
    """End the token that makes the request."""
    world_of(request).tokens.revoke(request.headers["Authorization"].partition(":")[2].strip())
    return success()


async def profile(request: web.Request) -> web.Response:
    """The made-up account."""
    user = world_of(request).app.user
    data = {
        "name": "LOCAL EXCHANGE",
        "image": None,
        "display_name": None,
        "email_id": "nobody@example.com",
        "PAN": "XXXXX0000X",
        "fy_id": user,
        "pin_change_date": "01-01-2026 09:00:00",
        "pwd_change_date": None,
        "mobile_number": "0000000000",
        "totp": True,
        "pwd_to_expire": 90,
        "ddpi_enabled": False,
        "mtf_enabled": False,
    }
    return success(data=data)
