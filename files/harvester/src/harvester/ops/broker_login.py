"""The broker login of token-push: the app's credentials, the page in a browser, and the address it leads back to."""

import getpass
import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from harvester.clock import SystemClock
from harvester.errors import ConfigError, HarvesterError
from harvester.ops.inventory import Host
from harvester.ops.surroundings import surroundings_of
from harvester.redaction import register_secret
from harvester.settings import BrokerSettings
from harvester.tokens.claims import Claims, check_token
from harvester.tokens.login import App, begin_login, complete_login

LOOPBACK = {"127.0.0.1", "localhost"}
LOGIN_SECONDS = 300
THANKS = b"<!doctype html><title>Done</title><p>The login is done. You can close this page.</p>"

OpenPage = Callable[[str], str]


def log_in(host: Host, open_page: OpenPage, *, secret: SecretStr | None = None) -> tuple[SecretStr, Claims]:
    """A proven access token. `open_page` gets the login page's address and returns the one the person was sent to.

    Raises LoginError or ConfigError.
    """
    app = read_app(host, secret)
    api_url = str((host.settings.get("broker") or {}).get("api_url") or BrokerSettings.model_fields["api_url"].default)
    with surroundings_of(host):
        begun = begin_login(app, api_url)
        address = open_page(begun.url)
        token, _ = complete_login(app, address, begun.state, api_url=api_url)
    return token, check_token(token, SystemClock().wall_ns())


def read_app(host: Host, secret: SecretStr | None = None) -> App:
    """The app as the inventory describes it, its secret from where the inventory says, or from the operator.

    Raises ConfigError when a part is missing.
    """
    app_id = (host.settings.get("broker") or {}).get("app_id")
    if not app_id:
        raise ConfigError(
            f"The inventory names no harvester_settings.broker.app_id for {host.name}. Copy it from the broker's API "
            "dashboard into group_vars; it looks like ABCDE12345-100."
        )
    stored_secret, stored_uri = _read_secret_file(host)
    redirect_uri = host.variables.get("broker_redirect_uri") or stored_uri
    if not redirect_uri:
        raise ConfigError(
            f"The inventory names no broker_redirect_uri for {host.name}. It must be the redirect URI registered for "
            "the app in the broker's API dashboard."
        )
    secret = secret or stored_secret or _read_secret_parameter(host) or _ask_secret(str(app_id))
    register_secret(secret)
    return App(str(app_id), secret, str(redirect_uri))


def page_opener(redirect_uri: str, tell: Callable[[str], None], *, paste: bool = False) -> OpenPage:
    """How a person opens the page: caught on the loopback port where the app leads there, else pasted."""
    where = urlsplit(redirect_uri)
    catch = where.scheme == "http" and where.hostname in LOOPBACK and not paste

    def open_page(url: str) -> str:
        page = f"Open this page in a browser and log in:\n\n  {url}\n"
        if catch:
            hint = f"Waiting at {redirect_uri} for the login (--paste if the browser is on another machine) ..."
            return catch_redirect(redirect_uri, lambda: tell(f"{page}\n{hint}"))
        tell(f"{page}\nAfter the login, copy the whole address line of the browser and paste it here:")
        return sys.stdin.readline().strip()

    return open_page


def catch_redirect(redirect_uri: str, listening: Callable[[], None], timeout_seconds: float = LOGIN_SECONDS) -> str:
    """Wait on the loopback port of `redirect_uri` for the browser, and return the address it was sent to.

    `listening` is called once the port is open. HarvesterError when the port is taken or nobody comes in time.
    """
    where = urlsplit(redirect_uri)
    caught: list[str] = []

    class Catcher(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path.rstrip("/") != where.path.rstrip("/") or not path.query:
                self.send_error(404)
                return
            caught.append(f"{where.scheme}://{where.netloc}{self.path}")
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(THANKS)

        def log_message(self, *_: object) -> None:
            """Nothing: the address has the login's code in it."""

    try:
        server = HTTPServer(("127.0.0.1", where.port or 80), Catcher)
    except OSError as error:
        raise HarvesterError(
            f"The port of {redirect_uri} cannot be listened on ({error.strerror}). End what uses it, or give --paste."
        ) from error
    with server:
        listening()
        deadline = SystemClock().mono_ns() + int(timeout_seconds * 1e9)
        while not caught:
            left = (deadline - SystemClock().mono_ns()) / 1e9
            if left <= 0:
                raise HarvesterError(
                    f"Nobody logged in within {timeout_seconds:.0f} s. Run the command again; with --paste when the "
                    "browser is on another machine."
                )
            server.timeout = left
            server.handle_request()
    return caught[0]


def _read_secret_file(host: Host) -> tuple[SecretStr | None, str | None]:
    """Secret and redirect URI from the inventory's broker_secret_file: JSON with both, or the bare secret."""
    named = host.variables.get("broker_secret_file")
    if not named:
        return None, None
    path = Path(str(named)).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} holds the app secret and may be read by others. Run: chmod 600 {path}")
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{path}, named as broker_secret_file of {host.name}, cannot be read ({error.strerror}). In the lab, "
            "./inv lab-up makes it; else correct the inventory, or remove the entry to be asked."
        ) from error
    if not text.startswith("{"):
        return SecretStr(text), None
    try:
        content = json.loads(text)
        return SecretStr(str(content["secret"])), content.get("redirect_uri")
    except (ValueError, KeyError) as error:
        raise ConfigError(f'{path} is not JSON with a key "secret". Write the bare secret or such JSON.') from error


def _read_secret_parameter(host: Host) -> SecretStr | None:
    """The secret from the SSM parameter that the inventory names as broker_secret_parameter, if it names one."""
    named = host.variables.get("broker_secret_parameter")
    if not named:
        return None
    from harvester.tokens.stores import SsmStore

    region = (host.settings.get("token") or {}).get("region")
    with surroundings_of(host):
        stored = SsmStore(str(named), region).read()
    if stored is None:
        raise ConfigError(f"SSM has no parameter {named}. Store the app secret there as a SecureString.")
    return stored.value


def _ask_secret(app_id: str) -> SecretStr:
    if not sys.stdin.isatty():
        raise ConfigError(
            f"The secret of app {app_id} is nowhere to be had: name broker_secret_file in the inventory, pipe it with "
            "--secret-stdin, or run this at a terminal."
        )
    return SecretStr(getpass.getpass(f"Secret of app {app_id} (not shown): "))
