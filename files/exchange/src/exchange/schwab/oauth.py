"""Schwab's OAuth: the page of a login, and the endpoint that gives tokens (developer portal, three-legged OAuth)."""

import base64
import binascii
import hmac
import html
from urllib.parse import urlencode

from aiohttp import web

from exchange.replies import reply
from exchange.signin import HEADERS
from exchange.world import world_of

PAGE = """<!doctype html><title>Schwab's stand-in</title>
<h1>Allow this app to read market data?</h1><p>App {key}</p>
<form method="post" action="{action}"><input type="hidden" name="answer" value="allow"><button>Allow</button></form>
"""


async def show(request: web.Request) -> web.Response:
    """The page, or what is wrong with its link. The live one asks for name, password and a second proof."""
    problem = _problem(request)
    if problem:
        return web.Response(text=problem, status=400, headers=HEADERS)
    key, action = html.escape(world_of(request).schwab.app.key), html.escape(request.path_qs)
    return web.Response(text=PAGE.format(key=key, action=action), content_type="text/html", headers=HEADERS)


async def allow(request: web.Request) -> web.Response:
    """The person said yes: back to the app with a code, a session, and the state as it was given."""
    problem = _problem(request)
    if problem:
        return web.Response(text=problem, status=400, headers=HEADERS)
    query = request.query
    answer = {"code": world_of(request).schwab.mint_code(), "session": "local"}
    if "state" in query:
        answer["state"] = query["state"]
    location = f"{query['redirect_uri']}?{urlencode(answer)}"
    return web.Response(status=302, headers={**HEADERS, "Location": location})


def _problem(request: web.Request) -> str:
    app, query = world_of(request).schwab.app, request.query
    if query.get("client_id") != app.key:
        return "This client_id is not registered."
    if query.get("redirect_uri") != app.callback:
        return "The redirect_uri is not the app's callback URL."
    return "" if query.get("response_type") == "code" else "The response_type must be code."


async def token(request: web.Request) -> web.Response:
    """A code, or a refresh token, for an access token."""
    grants = world_of(request).schwab
    if not _is_app(request):
        return refuse_grant(401, "invalid_client", "Unauthorized: the app key or the secret is wrong")
    form = await request.post()
    kind = form.get("grant_type")
    if kind == "authorization_code":
        if form.get("redirect_uri") != grants.app.callback:
            return refuse_grant(400, "invalid_request", "The redirect_uri is not the one of the login")
        answer = grants.redeem(str(form.get("code", "")))
        refusal = ("invalid_grant", "Bad authorization code: it is used, too old, or of another app")
    elif kind == "refresh_token":
        answer = grants.renew(str(form.get("refresh_token", "")))
        refusal = ("refresh_token_authentication_error", "The refresh token is invalid, expired or revoked")
    else:
        return refuse_grant(400, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
    return reply(answer) if answer else refuse_grant(400, *refusal)


def refuse_grant(status: int, error: str, description: str) -> web.Response:
    """OAuth's error body (RFC 6749, 5.2)."""
    return reply({"error": error, "error_description": description}, status=status)


def _is_app(request: web.Request) -> bool:
    """Whether the header names the app and its secret (RFC 6749, 2.3.1)."""
    kind, _, pair = request.headers.get("Authorization", "").partition(" ")
    app = world_of(request).schwab.app
    try:
        given = base64.b64decode(pair, validate=True)
    except (binascii.Error, ValueError):
        return False
    return kind == "Basic" and hmac.compare_digest(given, f"{app.key}:{app.secret}".encode())
