"""The token page's memory of what was used: for as long as a link could be opened, and no longer."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.journals import HandClock
from tests.recorder.fakes import make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.page import service as pages
from harvester.page.links import LINK_SECONDS, STATE_SECONDS, LinkSigner
from harvester.page.once import Budget, FolderOnce
from harvester.page.service import Service, handle
from harvester.tokens.login import App

CALLBACK = "https://page.example/callback"


class Page:
    """The page, and a person with a phone; the broker takes every login."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.used = HandClock(), folder / "used"
        grant = SimpleNamespace(access_token=Secret(make_token(self.clock.now_ns / 1e9 + 86_400)))
        monkeypatch.setattr(pages, "complete_login", lambda *_, **__: (grant, SimpleNamespace(account="XY01")))
        self.signer = LinkSigner(Secret("k" * 32), "test")
        self.service = Service(
            app=App("ABCDE12345-100", Secret("s" * 20), CALLBACK), account="XY01", api_url="https://broker.example",
            signer=self.signer, once=FolderOnce(self.used), keep=lambda _: "ssm:1", clock=self.clock,
            budget=Budget(10_000), say=lambda _: None,
        )  # fmt: skip

    def get(self, path: str, query: str, cookie: str = "") -> dict[str, object]:
        http = {"method": "GET", "sourceIp": "192.0.2.1"}
        event = {"rawPath": path, "rawQueryString": query, "cookies": [cookie], "requestContext": {"http": http}}
        return handle(event, self.service)

    def open(self, link: str) -> tuple[int, str, str]:
        """The status of the page, and the query and cookie with which the broker's login comes back."""
        answer = self.get("/login", f"l={link}")
        if answer["statusCode"] != 303:
            return int(str(answer["statusCode"])), "", ""
        [state] = parse_qs(urlsplit(answer["headers"]["Location"]).query)["state"]  # type: ignore[index]
        return 303, f"s=ok&code=200&auth_code=abcdefgh&state={state}", answer["cookies"][0].partition(";")[0]  # type: ignore[index]

    def log_in(self, link: str) -> int:
        status, query, cookie = self.open(link)
        return int(str(self.get("/callback", query, cookie)["statusCode"])) if status == 303 else status

    def link(self) -> str:
        return self.signer.make_link(self.clock.now_ns)

    def wait(self, seconds: float) -> None:
        self.clock.now_ns += int(seconds * NS_PER_SECOND)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(tmp_path, monkeypatch)


@pytest.mark.parametrize("begun_s", [0, LINK_SECONDS - 60], ids=["at once", "late in its life"])
def test_a_used_link_is_refused_for_as_long_as_it_could_be_opened(page: Page, begun_s: int) -> None:
    """Other logins clear up what has ended; the link that was used is not among that."""
    link, begun_ns = page.link(), page.clock.now_ns
    page.wait(begun_s)
    assert page.log_in(link) == 200
    for seconds in (1, STATE_SECONDS, STATE_SECONDS + 1, 3_600, LINK_SECONDS - 1):
        at_ns = begun_ns + seconds * NS_PER_SECOND
        if at_ns < page.clock.now_ns:
            continue
        page.clock.now_ns = at_ns
        assert page.log_in(page.link()) == 200
        assert page.open(link)[0] == 403, f"{seconds} s after it was made"


def test_a_login_that_came_back_counts_once_also_after_others(page: Page) -> None:
    _, query, cookie = page.open(page.link())
    assert page.get("/callback", query, cookie)["statusCode"] == 200
    for _ in range(3):
        page.wait(STATE_SECONDS / 3 - 1)
        page.log_in(page.link())
        assert page.get("/callback", query, cookie)["statusCode"] == 403


def test_two_logins_by_one_link_at_the_same_time_store_one_token_whenever_the_second_ends(page: Page) -> None:
    link = page.link()
    first, second = page.open(link), page.open(link)
    assert page.get("/callback", *first[1:])["statusCode"] == 200
    page.wait(STATE_SECONDS - 1)
    page.log_in(page.link())

    assert page.get("/callback", *second[1:])["statusCode"] == 403


def test_what_has_ended_is_forgotten(page: Page) -> None:
    page.log_in(page.link())
    page.wait(2 * LINK_SECONDS)
    page.log_in(page.link())

    assert len([*page.used.iterdir()]) == 2
