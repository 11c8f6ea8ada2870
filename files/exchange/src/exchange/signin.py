"""The login page: a plain HTML form that ends in a redirect with an auth code."""

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from aiohttp import web

if TYPE_CHECKING:
    from jinja2 import Template

from exchange.world import World, world_of

TITLE = "Sign in to the local exchange"
UNSET = ("", "None")
"""The SDK writes parameters that were not given as the word None."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@lru_cache(maxsize=1)
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader  # slow to import, and needed by the first person to sign in

    return Environment(loader=PackageLoader("exchange"), autoescape=True).get_template("login.html")


def _page(status: int, **values: object) -> web.Response:
    text = _template().render(title=TITLE, **values)
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def _problem(world: World, request: web.Request) -> str | None:
    """What is wrong with the app's own parameters; then there is nobody to redirect to."""
    query = request.query
    if query.get("client_id", "None") != world.app.app_id:
        return "The app id (client_id) is not registered here. Error -352: invalid App ID."
    if query.get("redirect_uri", "None") not in (world.app.redirect_uri, *world.app.other_redirect_uris):
        return "The redirect_uri is not registered for this app. Compare with app.json, or see --redirect-uri."
    if query.get("response_type", "None") != "code":
        return "The response_type must be code."
    return None


def _form(world: World, request: web.Request, status: int, problem: str | None, client: str) -> web.Response:
    return _page(
        status,
        form=True,
        problem=problem,
        client=client,
        app_id=world.app.app_id,
        redirect_uri=request.query["redirect_uri"],
        action=request.path_qs,
    )


async def show(request: web.Request) -> web.Response:
    """The form, or what is wrong with the link."""
    world = world_of(request)
    problem = _problem(world, request)
    if problem:
        return _page(400, form=False, problem=problem)
    return _form(world, request, 200, None, "")


async def submit(request: web.Request) -> web.Response:
    """Check client and PIN; redirect to the app with an auth code, or show the form again."""
    world = world_of(request)
    problem = _problem(world, request)
    if problem:
        return _page(400, form=False, problem=problem)
    fields = await request.post()
    client, pin = str(fields.get("client", "")), str(fields.get("pin", ""))
    right_client = hmac.compare_digest(client.strip().upper().encode(), world.app.user.encode())
    right_pin = hmac.compare_digest(pin.strip().encode(), world.app.pin.encode())
    if not (right_client and right_pin):
        return _form(world, request, 401, "Client ID and PIN do not belong together. Please try again.", client)
    return _redirect(world, request)


def _redirect(world: World, request: web.Request) -> web.Response:
    """To the registered address that the link names; `state` comes back as it was given."""
    nonce = request.query.get("nonce", "")
    answer = {"s": "ok", "code": "200", "message": "", "auth_code": world.tokens.mint_auth_code(nonce)}
    if request.query.get("state", "None") not in UNSET:
        answer["state"] = request.query["state"]
    parts = urlsplit(request.query["redirect_uri"])
    query = "&".join(part for part in (parts.query, urlencode(answer)) if part)
    location = urlunsplit(parts._replace(query=query))
    return web.Response(status=303, headers={**HEADERS, "Location": location})
