"""token-push --broker schwab: the same login, at Schwab, or a file of its SDK; both tokens are stored in AWS.

A host of the market us has them as one value in the SDK's own form, where its token agent renews the access token.
"""

import sys
import time
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.base.redaction import Secret, register_secret
from harvester.tokens import schwab
from harvester.tokens.claims import TokenError
from harvester.tokens.expiry import wrap
from harvester.tokens.login import App, LoginError, read_redirect_query
from harvester.tokens.schwab_file import read_file, write_file
from harvester.tokens.stores import Store
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.tokens import places
from runbook.tokens.broker_login import page_opener

BROKERS = ("fyers", "schwab")


def is_meant(host: Host, broker: str | None) -> bool:
    """Whether it is Schwab; None: the broker of the host's market.

    Raises ConfigError for a broker that is not known, and for one whose token the host cannot use.
    """
    if broker not in (None, *BROKERS):
        raise ConfigError(f"There is no broker named {broker!r} here. There are: {', '.join(BROKERS)}.")
    if broker == "fyers" and places.is_us(host):
        raise ConfigError(
            f"{host.name} is of the market us, which has no use for a token of Fyers. Run ./inv token-push --broker"
            " schwab."
        )
    return broker == "schwab" or places.is_us(host)


def refuse_another_store(host: Host) -> None:
    """ConfigError where the host reads its login in one service of AWS, and its role may read the other's alone."""
    if why := places.login_refusal(host.name, host.variables):
        raise ConfigError(why)


def push(host: Host, *, secret_stdin: bool = False) -> str:
    """Log in, store both tokens; what to tell the person. Raises LoginError, ConfigError or StoreError."""
    app_id, redirect_uri = (str(host.variables.get(name) or "") for name in ("schwab_app_id", "schwab_redirect_uri"))
    if not app_id or not redirect_uri:
        raise ConfigError(
            f"The inventory names no schwab_app_id and schwab_redirect_uri for {host.name}. Copy both from the app in"
            " Schwab's developer portal."
        )
    with environment_of(host):
        secret_store = _store(host, "schwab_app_secret")
        stored = None if secret_stdin else secret_store.read()
        if not secret_stdin and stored is None:
            raise ConfigError(f"{secret_store.place} does not exist. Run ./inv secret-put --name schwab-app-secret.")
        secret = stored.value if stored else Secret(sys.stdin.readline().strip())
        app = App(app_id, secret, redirect_uri)
        api_url = str(host.variables.get("schwab_api_url") or schwab.API_URL)
        begun = schwab.begin_login(app, api_url)
        address = page_opener(redirect_uri, lambda text: print(text, file=sys.stderr, flush=True))(begun)
        code = Secret(read_redirect_query(address, app, begun.state).get("code", ""))
        if not code.get_secret_value():
            raise LoginError(f"The address has no code, so the login was not finished. {schwab.AGAIN}")
        tokens = schwab.exchange_code(app, code, wall_ns=time.time_ns(), api_url=api_url)
        return _keep(host, tokens, write_file(tokens))


def push_file(host: Host, path: Path) -> str:
    """Store what schwab-py keeps in a file. Raises TokenError, ConfigError or StoreError; nothing is stored then."""
    try:
        value = Secret(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--from-file {path}: cannot be read ({getattr(error, 'strerror', 'not text')}).") from None
    register_secret(value)
    try:
        tokens = read_file(value)
    except TokenError as error:
        raise ConfigError(f"--from-file {path}: {error}") from None
    ends = to_local(tokens.refresh.expires_at_ns)
    if tokens.refresh.expires_at_ns <= time.time_ns():
        raise ConfigError(f"--from-file {path}: its refresh token ended {ends:%a %d %b, %H:%M %Z}. {schwab.AGAIN}")
    with environment_of(host):
        return _keep(host, tokens, value)


def _keep(host: Host, tokens: schwab.SchwabTokens, value: Secret) -> str:
    """Store them where the host has them; what to tell the person."""
    if places.is_us(host):
        stored = _store(host, "access_token").write(value)
    else:
        refresh = _store(host, "schwab_refresh_token").write(wrap(tokens.refresh))
        stored = f"{_store(host, 'schwab_access_token').write(wrap(tokens.access))} and {refresh}"
    ends = to_local(tokens.refresh.expires_at_ns)
    return f"Stored {stored}. Next login: before {ends:%a %d %b, %H:%M %Z}, when the refresh token ends."


def _store(host: Host, secret: str) -> Store:
    if store := places.store_of(host, secret):
        return store
    raise ConfigError(
        f"{host.name} takes its token from a file, and this command stores Schwab's tokens in AWS alone. Put"
        " schwab-py's file there yourself, as the user harvester-token, mode 0600."
    )
