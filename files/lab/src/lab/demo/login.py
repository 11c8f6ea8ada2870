"""The daily step as a person does it: `token-push` prints the broker's login page, the person signs in there."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx

from exchange.client import open_client
from exchange.login import login_as_a_person
from harvester.base.errors import HarvesterError
from lab.demo.browser import BrowserThread, find_chromium

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
