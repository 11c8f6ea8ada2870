"""The token page in this process, and a person who uses it, for tests that need no browser."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from exchange.client import open_client
from exchange.login import login_as_a_person
from harvester.base.clock import SystemClock
from harvester.base.redaction import Secret
from harvester.page.links import LinkSigner
from harvester.page.once import Budget, FolderOnce
from harvester.page.service import Service, handle, link_address
from harvester.tokens.login import App, Grant

API_URL = "https://api-t1.fyers.in"
KEY = Secret("0123456789abcdef" * 4)


def event(
    address: str, cookies: dict[str, str] | None = None, method: str = "GET", ip: str = "192.0.2.9"
) -> dict[str, Any]:
    """A function URL's request (payload 2.0)."""
    got = urlsplit(address)
    return {
        "version": "2.0",
        "rawPath": got.path or "/",
        "rawQueryString": got.query,
        "cookies": [f"{name}={value}" for name, value in (cookies or {}).items()],
        "requestContext": {"domainName": got.netloc, "http": {"method": method, "sourceIp": ip}},
    }


class Phone:
    """Opens addresses like a browser: keeps cookies, and signs in where the broker asks."""

    def __init__(self, exchange: Path, answer: Any) -> None:
        self.cookies: dict[str, str] = {}
        self._exchange = exchange
        self._answer = answer

    def get(self, address: str, method: str = "GET") -> dict[str, Any]:
        answer: dict[str, Any] = self._answer(event(address, self.cookies, method))
        for cookie in answer.get("cookies", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def sign_in(self, at_broker: str) -> str:
        """The address that the broker sends back to."""
        with open_client(self._exchange) as client:
            return login_as_a_person(at_broker, self._exchange, client)

    def log_in(self, link: str) -> dict[str, Any]:
        """All of it: the page's last answer."""
        begun = self.get(link)
        if begun["statusCode"] != 303:
            return begun
        return self.get(self.sign_in(begun["headers"]["Location"]))


class Page:
    """A token page with a folder for what was used, that keeps tokens in a list."""

    def __init__(self, folder: Path, app: dict[str, str], account: str | None = None) -> None:
        self.kept: list[Grant] = []
        self.said: list[str] = []
        self.clock = SystemClock()
        self.signer = LinkSigner(KEY, "lab")
        self.trouble: Exception | None = None
        self.service = Service(
            app=App(app["app_id"], Secret(app["secret"]), app["redirect_uri"]),
            account=account or app["user"],
            api_url=API_URL,
            signer=self.signer,
            once=FolderOnce(folder / "used"),
            keep=self._keep,
            clock=self.clock,
            budget=Budget(per_minute=10_000),
            say=self.said.append,
        )
        self.redirect_uri = app["redirect_uri"]

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return handle(request, self.service)

    def link(self, now_ns: int | None = None) -> str:
        where = urlsplit(self.redirect_uri)
        return link_address(f"{where.scheme}://{where.netloc}", self.signer, now_ns or time.time_ns())

    def _keep(self, grant: Grant) -> str:
        if self.trouble:
            raise self.trouble
        self.kept.append(grant)
        return f"test:{len(self.kept)}"
