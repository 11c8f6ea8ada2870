"""token-status and token-undo: every credential of the login, by version and age and never by value."""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from getpass import getpass
from pathlib import Path
from typing import Any

from harvester.alerts.host import USER
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.base.passwords import GuessedError, refuse_stored
from harvester.base.redaction import Secret, register_secret
from harvester.calendar import TradingCalendar
from harvester.tokens.claims import TokenError, check_token
from harvester.tokens.expiry import expires_at_ns
from harvester.tokens.places import open_place, storing
from harvester.tokens.schwab_file import login_end
from harvester.tokens.stores import DeniedError, Store
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host, refuse_sleepers
from runbook.fleet.playbook import Target, run
from runbook.fleet.status import gather
from runbook.tokens import adoption, places
from runbook.tokens.token_push import MAX_CHARACTERS, next_session_after

PUSH = "./inv token-push"
CREDENTIALS = {
    "access_token": ("access token", PUSH),
    "app_secret": ("app secret", ""),
    "refresh_token": ("refresh token", PUSH),
    "pin": ("PIN for the refresh", ""),
    "schwab_access_token": ("Schwab access token", f"{PUSH} --broker schwab"),
    "schwab_refresh_token": ("Schwab refresh token", f"{PUSH} --broker schwab"),
    "schwab_app_secret": ("Schwab app secret", ""),
    "page_key": ("key of the token page", ""),
    "channels": ("alert channels", ""),
}
"""What each is called, and how it is renewed where it ends."""
OF_SCHWAB = {
    "access_token": ("Schwab login", f"{PUSH} --broker schwab"),
    "schwab_app_secret": ("Schwab app secret", ""),
    "channels": ("alert channels", ""),
}
"""The same of hosts of the market us, whose one token holds both of Schwab's and ends when the login does."""
NEW_FILE = "put schwab-py's new file there"
NEEDED = {"access_token"}
BY_HAND = {"app_secret", "pin", "schwab_app_secret", "page_key", "channels", "postgres_dsn", "rclone_token"}
BY_HAND |= {"application_variables", "database_password", "worker_tokens"}
UNREADABLE = "when it ends is not known: this login may not read it"
SOON_NS = 3 * 86_400 * NS_PER_SECOND


@dataclass(frozen=True)
class CredentialStatus:
    """One credential. `age` and `expires` are None where the store or the value does not say.

    `state` is what holds the automatic refresh up, in a word; it has no version.
    """

    name: str
    place: str
    version: str | None
    age: timedelta | None
    expires_at_ns: int | None
    action: str
    good: bool
    state: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"age": self.age and self.age.total_seconds()}


def look(hosts: Sequence[Host], wall_ns: int | None = None) -> list[CredentialStatus]:
    """Every credential that the inventory's hosts have a place for. Raises StoreError or ConfigError."""
    now = SystemClock().wall_ns() if wall_ns is None else wall_ns
    found: list[CredentialStatus] = []
    for members in places.by_store(hosts):
        if places.place_of(members[0], "access_token") is None:
            found += [_on_host(host, now) for host in members]
            continue
        kinds = OF_SCHWAB if places.is_us(members[0]) else CREDENTIALS
        with environment_of(members[0]):
            stores = ((secret, places.store_of(members[0], secret)) for secret in kinds)
            found += [_stored(secret, store, now, kinds) for secret, store in stores if store]
    return found


def undo(hosts: Sequence[Host], target: Target, *, ask: adoption.Ask = gather) -> dict[str, str]:
    """Put the access token that was in force before back, where it still works, and wait until each host uses it.

    The versions by host. Raises TokenError, with nothing changed, when the one before cannot be used, StoreError when
    there is none, ConfigError for hosts of the market us, and UnhealthyError when a host does not use it in time.
    """
    if renewing := ", ".join(host.name for host in hosts if places.is_us(host)):
        raise ConfigError(
            f"{renewing}: hosts of the market us renew Schwab's access token each half hour, so the one before is over."
            " Log in again instead: ./inv token-push --broker schwab."
        )
    refuse_sleepers(host.name for host in hosts if host.asleep and not places.place_of(host, "access_token"))
    versions: dict[str, str] = {}
    expires: dict[str, int] = {}
    for members in places.by_store(hosts):
        names = [host.name for host in members]
        store = places.store_of(members[0], "access_token")
        if store is None:
            versions |= _undo_on_hosts(names, target)
            continue
        with environment_of(members[0]):
            previous = store.previous()
            if previous is None:
                raise ConfigError(f"{store.place} keeps no earlier token, so there is nothing to go back to.")
            register_secret(previous.value)
            claims = check_token(previous.value, SystemClock().wall_ns())
            versions |= dict.fromkeys(names, store.undo())
            expires |= dict.fromkeys(names, claims.expires_at_ns)
    wanted = {name: adoption.Wanted(version, expires.get(name)) for name, version in versions.items()}
    awake = [host for host in hosts if not host.asleep]
    adoption.wait(awake, wanted, ask=ask, newest=places.newest_access_token, seconds=adoption.SECONDS)
    return versions


def _undo_on_hosts(names: Sequence[str], target: Target) -> dict[str, str]:
    """Have the token_undo playbook go back in the files of these hosts; the version in force on each then."""
    with tempfile.TemporaryDirectory(prefix="undo-") as folder:
        run("token_undo", target.of(names), {"harvester_token_undo_folder": folder})
        return {name: (Path(folder) / name).read_text("utf-8").strip() for name in names}


def put(hosts: Sequence[Host], name: str) -> str:
    """Store a secret that a person types or pipes; what was stored where. Raises ConfigError or StoreError."""
    secret = name.replace("-", "_")
    if secret not in BY_HAND:
        known = ", ".join(sorted(one.replace("_", "-") for one in BY_HAND))
        raise ConfigError(f"There is no secret named {name!r} to be stored by hand. There are: {known}.")
    place = places.place_of(hosts[0], secret)
    beside = _read_from_file(hosts) if secret == "channels" else ""  # noqa: S105  # the name of a secret
    if place is None:
        raise ConfigError(
            beside
            or f"{hosts[0].name} takes its token from a file, so there is no store in AWS for it. Write the secret to a"
            " file of mode 0600 that the inventory or the settings name; docs/runbook.md says which."
        )
    text = getpass(f"{name} (not shown): ") if sys.stdin.isatty() else sys.stdin.read(MAX_CHARACTERS)
    value = Secret(text.strip())
    register_secret(value)
    if not value.get_secret_value():
        raise ConfigError("Nothing was typed, so nothing is stored.")
    _refuse_guessed(name, value)
    with environment_of(hosts[0]):
        store = open_place(place, places.token_settings(hosts[0]).region)
        return f"{store.place} is {store.write(value)} now. {beside}".strip()


def _refuse_guessed(name: str, value: Secret) -> None:
    """Raise ConfigError for a database's password that everybody tries first: no host would take it."""
    try:
        refuse_stored(name, value.get_secret_value(), (), name)
    except GuessedError as error:
        raise ConfigError(f"{error} Nothing was stored. Set another in the database first.") from None


def _read_from_file(hosts: Sequence[Host]) -> str:
    """Which host takes its channels from a file, so that what is stored in AWS does not reach it."""
    for host in hosts:
        if (place := places.channels_of(host)).startswith("file:"):
            store = open_place(place)
            return f"{host.name} reads its channels from {store.place}: {storing('channels', store, USER)}"
    return ""


def _stored(secret: str, store: Store, now: int, kinds: Mapping[str, tuple[str, str]]) -> CredentialStatus:
    """A value is read only where it may say when it ends, and this login may read it."""
    name, renewal = kinds[secret]
    found = store.look()
    if found is None:
        return CredentialStatus(
            name, store.place, None, None, None, renewal if secret in NEEDED else "", secret not in NEEDED
        )
    age = timedelta(seconds=(now - found.written_ns) // NS_PER_SECOND) if found.written_ns else None
    try:
        ends_ns = None if secret in BY_HAND else _end_of(store, login_end if kinds is OF_SCHWAB else expires_at_ns)
    except DeniedError:
        if secret in NEEDED:
            raise
        return CredentialStatus(name, store.place, found.version, age, None, UNREADABLE, True)
    except TokenError as error:
        return CredentialStatus(name, store.place, found.version, age, None, str(error), False)
    return _judged(name, store.place, found.version, age, ends_ns, renewal, now)


def _end_of(store: Store, read_end: Callable[[Secret], int | None]) -> int | None:
    stored = store.read()
    if stored is None:
        return None
    register_secret(stored.value)
    return read_end(stored.value)


def _on_host(host: Host, now: int) -> CredentialStatus:
    """What the service on the host says of its token; the file itself stays there."""
    answer = gather([host])[0]
    token = ((answer.report or {}).get("status") or {}).get("token") or {}
    is_us = places.is_us(host)
    name, renewal = (OF_SCHWAB["access_token"][0], NEW_FILE) if is_us else CREDENTIALS["access_token"]
    place = f"{host.name}: {places.token_settings(host).file}"
    reason = "asleep: ./inv wake" if answer.asleep else answer.error
    if not token.get("version"):
        return CredentialStatus(name, place, None, None, None, reason or renewal, False)
    ends_ns = token.get("login_ends_ns") or token.get("expires_at_ns")
    return _judged(name, place, token["version"], None, ends_ns, renewal, now)


def _judged(
    name: str, place: str, version: str, age: timedelta | None, ends_ns: int | None, renewal: str, now: int
) -> CredentialStatus:
    if ends_ns is None:
        return CredentialStatus(name, place, version, age, None, "", True)
    if ends_ns <= now:
        return CredentialStatus(name, place, version, age, ends_ns, renewal, False)
    due = f"{renewal}, before {next_login(ends_ns)}" if ends_ns - now < SOON_NS else ""
    return CredentialStatus(name, place, version, age, ends_ns, due, True)


def next_login(ends_ns: int) -> str:
    """When the first session opens that something valid until `ends_ns` does not cover."""
    opens = next_session_after(to_local(ends_ns), TradingCalendar.load())
    return f"{opens:%a %d %b, %H:%M %Z}" if opens else f"{to_local(ends_ns):%a %d %b, %H:%M %Z}"
