"""The daily step as a person does it: `token-push` prints the broker's login page, the person signs in there."""

import re
import subprocess
from pathlib import Path

import httpx

from exchange.client import open_client
from exchange.login import login_as_a_person
from harvester.errors import HarvesterError

LOGIN_URL = re.compile(r"https://\S+/generate-authcode\?\S+")


def push_token(command: list[str], exchange: Path, *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run `command` (a token-push), sign in at the address that it prints, and return what it said at the end."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said: list[str] = []
        for line in process.stdout or ():
            said.append(line.rstrip())
            if address := LOGIN_URL.search(line):
                sign_in(address[0], exchange)
    if process.returncode != 0:
        raise HarvesterError(f"{' '.join(command)} ended with exit code {process.returncode}:\n" + "\n".join(said))
    return said[-1] if said else ""


def sign_in(address: str, exchange: Path) -> None:
    """Fill in the login page and follow its redirect to the loopback address that token-push listens on."""
    with open_client(exchange) as client:
        redirect = login_as_a_person(address, exchange, client)
    httpx.get(redirect, timeout=10, trust_env=False).raise_for_status()
