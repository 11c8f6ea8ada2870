"""The token page in a real browser of a small phone, with the exchange's login page between its two steps."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.tokens.pages import KEY, Page

from harvester.page.local import make_server

WIDTH = 360
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium here (apt-get install chromium)")


@pytest.fixture
def page(tmp_path: Path, app: dict[str, str], reachable: dict[str, str]) -> Iterator[Page]:
    """The page on the address that the app is registered with."""
    page = Page(tmp_path, app)
    where = urlsplit(app["redirect_uri"])
    with make_server(page.service, ("127.0.0.1", where.port or 80)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield page
        server.shutdown()
        thread.join()


@pytest.fixture
def phone(exchange: Path) -> Iterator[Any]:
    """A browser window as wide as a small phone; what it loads and says is in `phone.seen`."""
    from playwright.sync_api import sync_playwright

    ready = json.loads((exchange / "ready.json").read_bytes())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            proxy={"server": ready["proxy"], "bypass": "127.0.0.1"},
        )
        context = browser.new_context(viewport={"width": WIDTH, "height": 640}, ignore_https_errors=True)
        window = context.new_page()
        window.seen = []  # type: ignore[attr-defined]
        window.on("request", lambda request: window.seen.append(request.url))
        window.on("console", lambda message: window.seen.append(f"console {message.text}"))
        yield window
        browser.close()


def sign_in(phone: Any, app: dict[str, str], pin: str | None = None) -> None:
    phone.fill("#client", app["user"])
    phone.fill("#pin", pin or app["pin"])
    phone.click("button[type=submit]")


def test_from_the_link_to_done_on_a_phone(page: Page, phone: Any, app: dict[str, str], figure: Any) -> None:
    link = page.link()
    phone.goto(link)
    assert urlsplit(phone.url).hostname == "api-t1.fyers.in", "one tap leads to the broker's own page"
    sign_in(phone, app, pin="0")
    assert phone.locator("[role=alert]").is_visible(), "a wrong PIN is the broker's business"
    sign_in(phone, app)
    phone.wait_for_selector("main h1")

    assert phone.title() == "Done, valid until 06:30"
    assert "account XX00000" in phone.inner_text("main")
    assert len(page.kept) == 1
    width = phone.evaluate("document.documentElement.scrollWidth")
    figure("page_width_on_a_phone", width, bound=f"<= {WIDTH}", unit="px", gate=True)
    assert phone.evaluate("getComputedStyle(document.querySelector('main div')).borderLeftStyle") == "solid", "styled"

    secrets = [page.kept[0].access_token.get_secret_value(), app["secret"], KEY.get_secret_value()]
    assert [secret for secret in secrets if secret in phone.content() + json.dumps(page.said)] == []
    others = {urlsplit(url).hostname for url in phone.seen if not url.startswith("console")}
    assert others <= {"127.0.0.1", "api-t1.fyers.in"}

    done = phone.url
    phone.goto(done)
    assert "used already" in phone.inner_text("main")
    phone.goto(link)
    assert "This link was used" in phone.inner_text("main")
    assert len(page.kept) == 1


def test_refusals_fit_the_phone_too(page: Page, phone: Any) -> None:
    answer = phone.goto(page.link() + "x" * 300)

    assert answer.status == 403
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "not one of ours" in phone.inner_text("main")
    assert phone.evaluate("document.documentElement.scrollWidth") <= WIDTH


def test_another_site_cannot_frame_or_finish_a_login(page: Page, phone: Any, app: dict[str, str]) -> None:
    """A login begun elsewhere and finished here: the browser has no cookie of it."""
    link = page.signer.read_link(page.link().partition("l=")[2], page.clock.wall_ns())
    state = page.signer.make_state(link, "cookie of the attacker", page.clock.wall_ns())

    phone.goto(f"{app['redirect_uri']}?s=ok&code=200&auth_code=stolen&state={state}")

    assert "another browser" in phone.inner_text("main")
    assert page.kept == []
