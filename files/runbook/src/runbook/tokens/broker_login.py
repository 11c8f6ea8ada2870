"""The broker login of token-push: the app's credentials, the page in a browser, and the checks of the token."""

import getpass
import json
import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret, register_secret
from harvester.config.broker import API_URL
from harvester.tokens.claims import Claims, check_token
from harvester.tokens.login import (
    App,
    Grant,
    Login,
    begin_login,
    check_account,
    complete_login,
    fetch_profile,
    read_redirect,
)
from harvester.tokens.places import open_place
from harvester.tokens.stores import DeniedError
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.tokens import data_socket, places
from runbook.tokens.redirect import LOGIN_SECONDS, Catcher, can_catch

OpenPage = Callable[[Login], str]
"""Shows a person the login page; returns the address that the browser was sent to."""


class Obtained(NamedTuple):
    """A checked token, its claims, the refresh token that came with it, and notes for the person."""

    token: Secret
    claims: Claims
    refresh_token: Secret | None = None
    notes: tuple[str, ...] = ()


def log_in(host: Host, open_page: OpenPage, *, app: App, account: str | None = None) -> Obtained:
    """A token of `account` that broker and data socket accept. Raises LoginError, TokenError or ConfigError."""
    api_url = api_url_of(host)
    with environment_of(host):
        begun = begin_login(app, api_url)
        code = read_redirect(open_page(begun), app, begun.state)
        grant, _ = complete_login(app, code, api_url=api_url, account=account)
        return check_granted(host, grant)


def check_granted(host: Host, grant: Grant) -> Obtained:
    """What a login gave, when the data socket accepts it. Raises LoginError or TokenError."""
    note = data_socket.check(grant.access_token, socket_url_of(host))
    claims = check_token(grant.access_token, SystemClock().wall_ns())
    return Obtained(grant.access_token, claims, grant.refresh_token, (note,) if note else ())


def check_given(host: Host, token: Secret, claims: Claims, account: str | None) -> Obtained:
    """A token that came without a login, when broker and data socket accept it. Raises LoginError."""
    check_account(claims.account, account)
    app = App(app_id_of(host), Secret(""), "")
    with environment_of(host):
        profile = fetch_profile(app, token, api_url=api_url_of(host))
        check_account(profile.account, account)
        note = data_socket.check(token, socket_url_of(host))
    return Obtained(token, claims, None, (note,) if note else ())


def api_url_of(host: Host) -> str:
    """Where the broker's API is for this host."""
    return str((host.settings.get("broker") or {}).get("api_url") or API_URL)


def socket_url_of(host: Host) -> str | None:
    """Where the data socket is, if the inventory says."""
    return (host.settings.get("hsm") or {}).get("url")


def app_id_of(host: Host) -> str:
    """The app ID of the inventory. Raises ConfigError."""
    app_id = (host.settings.get("broker") or {}).get("app_id")
    if not app_id:
        raise ConfigError(
            f"The inventory names no harvester_settings.broker.app_id for {host.name}. Copy it from the broker's API "
            "dashboard into group_vars; it looks like ABCDE12345-100."
        )
    return str(app_id)


def read_app(host: Host, secret: Secret | None = None) -> App:
    """The app as the inventory describes it, its secret from where the inventory says, or from the operator.

    Raises ConfigError when a part is missing.
    """
    app_id = app_id_of(host)
    stored_secret, stored_uri = _read_secret_file(host)
    redirect_uri = host.variables.get("broker_redirect_uri") or stored_uri
    if not redirect_uri:
        raise ConfigError(
            f"The inventory names no broker_redirect_uri for {host.name}. It must be the redirect URI registered for "
            "the app in the broker's API dashboard."
        )
    secret = secret or stored_secret or _read_secret_parameter(host) or _ask_secret(app_id)
    register_secret(secret)
    return App(app_id, secret, str(redirect_uri))


def page_opener(redirect_uri: str, tell: Callable[[str], None], *, paste: bool = False, stand_in: str = "") -> OpenPage:
    """How a person opens the page: caught on the loopback port where the app leads there, else pasted.

    At a terminal the address may be pasted in any case: the browser may be on another machine. `stand_in` says how to
    reach a broker that is none; then no browser is opened, for it would go to the real one.
    """
    at_terminal = sys.stdin.isatty()

    def open_page(login: Login) -> str:
        page = f"Open this page in a browser and log in:\n\n  {login.url}\n{stand_in}"
        if paste or not can_catch(redirect_uri):
            tell(f"{page}\nAfter the login, copy the whole address line of the browser and paste it here:")
            return sys.stdin.readline().strip()
        hint = "; or paste the address that your browser ends at" if at_terminal else ""
        with Catcher(redirect_uri, login.state) as catcher:
            tell(f"{page}\nWaiting at {redirect_uri} for the login, {LOGIN_SECONDS / 60:.0f} minutes long{hint} ...")
            if at_terminal and not stand_in and _has_browser():
                webbrowser.open(login.url)
            return catcher.wait(paste=at_terminal)

    return open_page


def stand_in_of(host: Host) -> str:
    """How a browser reaches the broker of a lab, which has the real one's name; empty for the real one."""
    proxy = host.variables.get("broker_proxy")
    if not proxy:
        return ""
    return (
        "\nThe broker is a stand-in. A browser here reaches it through its proxy:\n\n"
        f"  chromium --proxy-server={proxy} \\\n"
        "    '--proxy-bypass-list=127.0.0.1;localhost' --ignore-certificate-errors \\\n"
        "    --user-data-dir=/tmp/stand-in-browser 'THE PAGE ABOVE'\n\n"
        f"`user` and `pin` are in {host.variables.get('broker_secret_file')}.\n"
    )


def _has_browser() -> bool:
    """Whether this person sits before this machine's own screen."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _read_secret_file(host: Host) -> tuple[Secret | None, str | None]:
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
        return Secret(text), None
    try:
        content = json.loads(text)
        return Secret(str(content["secret"])), content.get("redirect_uri")
    except (ValueError, KeyError) as error:
        raise ConfigError(f'{path} is not JSON with a key "secret". Write the bare secret or such JSON.') from error


def _read_secret_parameter(host: Host) -> Secret | None:
    """The secret from the place that the inventory names as broker_secret_parameter, else from its place by rule."""
    named = host.variables.get("broker_secret_parameter")
    with environment_of(host):
        try:
            region = places.token_settings(host).region
            store = open_place(f"ssm:{named}", region) if named else places.store_of(host, "app_secret")
            stored = store.read() if store else None
        except DeniedError:  # an operator without that right is asked for it
            return None
    if stored is None and named:
        raise ConfigError(
            f"SSM has no parameter {named}. Take broker_secret_parameter out of the inventory, and store the app's"
            " secret in its usual place: ./inv secret-put --name app-secret."
        )
    return stored.value if stored else None


def _ask_secret(app_id: str) -> Secret:
    if not sys.stdin.isatty():
        raise ConfigError(
            f"The secret of app {app_id} is nowhere to be had: name broker_secret_file in the inventory, pipe it with "
            "--secret-stdin, or run this at a terminal."
        )
    return Secret(getpass.getpass(f"Secret of app {app_id} (not shown): "))
