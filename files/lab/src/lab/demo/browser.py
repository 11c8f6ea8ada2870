"""A person at the broker's login page, played by the distribution's Chromium where it is installed."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from exchange.client import read_ready
from exchange.state import StateDir
from harvester.base.errors import HarvesterError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
WAIT_MILLISECONDS = 20_000


def find_chromium() -> str | None:
    """The program, where the distribution's package is installed; nothing is ever downloaded."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class BrowserThread:
    """A browser in a thread of its own, so that it starts while something else is done."""

    def __init__(self, exchange: Path, executable: str) -> None:
        self._exchange, self._executable = exchange, executable
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
        self._running = ExitStack()
        self._started = self._thread.submit(self._start)

    def why_not(self) -> str:
        """Why the browser did not start; empty when it did. Some packages of it refuse root."""
        failure = self._started.exception()
        return str(failure).strip().partition("\n")[0] if failure else ""

    def sign_in(self, address: str) -> str:
        """Fill in the login page at `address` and let it lead the browser to where the login ends; what browser it was.

        Raises HarvesterError with the page's own words when it does not let the user in.
        """
        from playwright.sync_api import Error

        try:
            return self._thread.submit(self._sign_in, address).result()
        except Error as error:
            raise HarvesterError(f"{self._executable} did not get through the broker's login page: {error}") from None

    def close(self) -> None:
        """End the browser."""
        self._thread.submit(self._running.close).result()
        self._thread.shutdown()

    def _start(self) -> "Browser":
        from playwright.sync_api import sync_playwright

        playwright = self._running.enter_context(sync_playwright())
        return playwright.chromium.launch(
            executable_path=self._executable,
            args=FLAGS,
            proxy={"server": read_ready(self._exchange)["proxy"], "bypass": "127.0.0.1,localhost"},
        )

    def _sign_in(self, address: str) -> str:
        app = StateDir(self._exchange).app()
        browser = self._started.result()
        # Chromium knows the machine's own authorities only, and the lab's is none of them.
        page = browser.new_page(ignore_https_errors=True)
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.goto(address)
        broker = urlsplit(page.url).hostname
        page.fill("input[name=client]", app.user)
        page.fill("input[name=pin]", app.pin)
        with page.expect_navigation():
            page.click("button[type=submit]")
        if urlsplit(page.url).hostname == broker:
            raise HarvesterError(f"The login page of {broker} did not let us in: {page.inner_text('[role=alert]')}")
        return f"headless Chromium {browser.version}"
