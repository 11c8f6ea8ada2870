"""The daily step as a person does it: `token-push` prints the broker's login page, the person signs in there.

The person is played by the distribution's Chromium where it is installed."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from exchange.client import open_client, read_ready
from exchange.login import login_as_a_person
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


BY_HTTP = "plain HTTP, without a browser"
LOGIN_URL = re.compile(r"https://\S+/generate-authcode\?\S+")


Person = Callable[[str], str]
"""Signs in at the address of a login page, and says by what."""


@contextmanager
def find_person(exchange: Path) -> Iterator[Person]:
    """A person with a browser where there is one that starts, else one who sends the same requests without."""
    executable = find_chromium()
    if executable is None:
        yield partial(sign_in, exchange)
        return
    with closing(BrowserThread(exchange, executable)) as browser:
        yield (
            lambda address: (
                f"{sign_in(exchange, address)} ({executable} did not start: {problem})"
                if (problem := browser.why_not())
                else browser.sign_in(address)
            )
        )


def push_token(command: list[str], person: Person, *, cwd: Path) -> tuple[str, str]:
    """Run `command` (a token-push) and have the person sign in at the address that it prints.

    What it said at the end, and by what the person signed in.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said: list[str] = []
        by = "nobody had to sign in"
        for line in process.stdout or ():
            said.append(line.rstrip())
            if address := LOGIN_URL.search(line):
                by = person(address[0])
    if process.returncode != 0:
        raise HarvesterError(f"{' '.join(command)} ended with exit code {process.returncode}:\n" + "\n".join(said))
    return (said[-1] if said else ""), by


def sign_in(exchange: Path, address: str) -> str:
    """Fill in the login page and follow its redirect to the loopback address that token-push listens on."""
    with open_client(exchange) as client:
        redirect = login_as_a_person(address, exchange, client)
    httpx.get(redirect, timeout=10, trust_env=False).raise_for_status()
    return BY_HTTP
