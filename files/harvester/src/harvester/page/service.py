"""The token page's two steps: a link becomes a login at the broker, and the login's redirect becomes a stored token.

Requests and answers are those of a Lambda function URL (payload 2.0), wherever the page is served. A link may be opened
as often as one likes, as previews of messages do; what counts once is the login that it leads to.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.redaction import redact, register_text
from harvester.page.html import HEADERS, page
from harvester.page.links import LINK_SECONDS, STATE_SECONDS, LinkError, LinkSigner, State
from harvester.page.once import Budget, Once
from harvester.tokens.claims import read_claims
from harvester.tokens.login import App, Grant, begin_login, complete_login, read_code

LOGIN_PATH = "/login"
MOST_QUERY = 8_192
NOT_FOUND = {"statusCode": 404, "headers": HEADERS, "body": page("Nothing here", good=False)}
Answer = dict[str, Any]
Keep = Callable[[Grant], str]
"""Stores what a login gave; the version in force. Raises HarvesterError."""


class Service(NamedTuple):
    """One page of one environment. `account` is the only one whose token is kept."""

    app: App
    account: str
    api_url: str
    signer: LinkSigner
    once: Once
    keep: Keep
    clock: Clock
    budget: Budget
    say: Callable[[str], None]
    """Takes one line about each request, which names no secret."""


def link_address(page_url: str, signer: LinkSigner, now_ns: int) -> str:
    """The address to put into a message."""
    return f"{page_url.rstrip('/')}{LOGIN_PATH}?l={signer.make_link(now_ns)}"


def handle(event: Mapping[str, Any], service: Service) -> Answer:
    """Answer one request. Every HarvesterError becomes a page that says what to do."""
    http = event.get("requestContext", {}).get("http", {})
    path, query = str(event.get("rawPath") or "/"), str(event.get("rawQueryString") or "")
    callback = urlsplit(service.app.redirect_uri).path or "/"
    if http.get("method") != "GET" or len(query) > MOST_QUERY or path not in (LOGIN_PATH, callback):
        return _said(service, "other", "not found", NOT_FOUND)
    if not service.budget.allows(str(http.get("sourceIp", ""))):
        return _said(service, path, "too often", _page(429, "Too often", "Wait a minute, then open the link again."))
    fields = {key: values[0] for key, values in parse_qs(query).items()}
    step = _begin if path == LOGIN_PATH else _finish
    if not fields.get("l" if step is _begin else "state"):
        return _said(service, "other", "not found", NOT_FOUND)
    try:
        return step(service, fields, _cookies(event))
    except LinkError as error:
        return _said(service, path, "refused", _page(403, "This does not work", str(error)))
    except HarvesterError as error:
        return _said(service, path, "failed", _page(502, "The login did not succeed", redact(str(error))))


def _begin(service: Service, fields: Mapping[str, str], cookies: Mapping[str, str]) -> Answer:
    now_ns = service.clock.wall_ns()
    link = service.signer.read_link(fields.get("l", ""), now_ns)
    if service.once.is_claimed(f"link-{link.id}"):
        raise LinkError("This link was used: a token is stored since. The next message has a new link.")
    cookie = cookies.get(_cookie_name(service)) or secrets.token_urlsafe(24)
    state = service.signer.make_state(link, cookie, now_ns)
    headers = {**HEADERS, "Location": begin_login(service.app, service.api_url, state).url}
    answer = {"statusCode": 303, "headers": headers, "body": "", "cookies": [_cookie(service, cookie)]}
    return _said(service, LOGIN_PATH, f"to the broker, link {link.id}", answer)


def _finish(service: Service, fields: Mapping[str, str], cookies: Mapping[str, str]) -> Answer:
    now_ns = service.clock.wall_ns()
    register_text(fields.get("auth_code", ""))
    cookie = cookies.get(_cookie_name(service), "")
    state = service.signer.read_state(fields.get("state", ""), cookie, now_ns)
    _claim(service, state)
    try:
        code = read_code(fields)
        grant, profile = complete_login(service.app, code, api_url=service.api_url, account=service.account)
        version = service.keep(grant)
    except HarvesterError:
        _housekeeping(service, lambda: service.once.release(f"link-{state.link}"))
        raise
    _housekeeping(service, lambda: service.once.tidy(now_ns))
    ends = to_local(read_claims(grant.access_token).expires_at_ns)
    answer = _page(
        200,
        f"Done, valid until {ends:%H:%M}",
        f"The token of account {profile.account} is stored as {version}, valid until {ends:%a %d %b %H:%M %Z}.",
        "The servers take it within seconds. You can close this page.",
        good=True,
    )
    return _said(service, "callback", f"stored {version}, link {state.link}", answer)


def _claim(service: Service, state: State) -> None:
    """The login counts once, and so does its link, for as long as it could be opened."""
    if not service.once.claim(f"state-{state.id}", state.ends_ns):
        raise LinkError("This login was used already. If it said Done then, all is well.")
    if not service.once.claim(f"link-{state.link}", service.clock.wall_ns() + LINK_SECONDS * NS_PER_SECOND):
        raise LinkError("This link was used: a token is stored since. The next message has a new link.")


def _housekeeping(service: Service, action: Callable[[], None]) -> None:
    """Do what follows the login. A failure is logged and does not change the answer."""
    try:
        action()
    except HarvesterError as error:
        service.say(redact(json.dumps({"path": "callback", "outcome": f"the list of used links: {error}"})))


def _cookie_name(service: Service) -> str:
    """Browsers accept the __Host- prefix over TLS only, from this host only."""
    return "__Host-login" if service.app.redirect_uri.startswith("https:") else "login"


def _cookie(service: Service, value: str) -> str:
    secure = "; Secure" if service.app.redirect_uri.startswith("https:") else ""
    return f"{_cookie_name(service)}={value}; Path=/; Max-Age={STATE_SECONDS}; HttpOnly; SameSite=Lax{secure}"


def _cookies(event: Mapping[str, Any]) -> dict[str, str]:
    """The request's cookies: AWS sends a list, some emulators send the header alone."""
    listed = event.get("cookies") or str((event.get("headers") or {}).get("cookie", "")).split(";")
    pairs = (str(cookie).partition("=") for cookie in listed)
    return {name.strip(): value for name, _, value in pairs}


def _page(status: int, title: str, *paragraphs: str, good: bool = False) -> Answer:
    return {"statusCode": status, "headers": HEADERS, "body": page(title, *paragraphs, good=good)}


def _said(service: Service, path: str, outcome: str, answer: Answer) -> Answer:
    service.say(redact(json.dumps({"path": path, "outcome": outcome, "status": answer["statusCode"]})))
    return answer
