"""token-push: a fresh access token from the operator's hands to the hosts, and proof that the service uses it.

The token goes through memory, AWS's API or a private temporary file; never through an argument, a log or a message.
"""

import getpass
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from harvester.base.clock import SystemClock, to_ist
from harvester.base.redaction import Secret, register_secret
from harvester.calendar import TradingCalendar
from harvester.tokens.claims import Claims, TokenError, check_token, read_claims
from harvester.tokens.places import open_place
from harvester.tokens.stores import file_version
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target, run
from runbook.tokens import adoption, places
from runbook.tokens.broker_login import Obtained, log_in, page_opener, prove, read_app

MAX_CHARACTERS = 65_536


@dataclass(frozen=True)
class Pushed:
    """What was pushed: whose token, until when, under which versions, when to log in next, and what else to know."""

    account: str
    expires_at: datetime
    versions: Mapping[str, str]
    next_session: datetime | None
    notes: tuple[str, ...] = ()


def read_token(text: str) -> tuple[Secret, Claims]:
    """A token as pasted or piped, checked for shape, kind and expiry. Raises TokenError."""
    token = Secret(text.strip())
    register_secret(token)
    return token, check_token(token, SystemClock().wall_ns())


def obtain(host: Host, *, stdin: bool = False, secret_stdin: bool = False, paste: bool = False) -> Obtained:
    """A proven token from standard input, or from a login of the person at the terminal.

    Raises TokenError or LoginError; nothing has been stored then.
    """
    account = expected_account(host)
    if stdin:
        token, claims = read_piped()
        return prove(host, token, claims, account)
    secret = Secret(sys.stdin.readline().strip()) if secret_stdin else None
    app = read_app(host, secret)
    opener = page_opener(app.redirect_uri, lambda text: print(text, file=sys.stderr, flush=True), paste=paste)
    return log_in(host, opener, app=app, account=account)


def expected_account(host: Host) -> str | None:
    """The account that records: as the inventory says, else that of the token stored last; None at the first login."""
    stated = host.variables.get("broker_account")
    place = places.place_of(host, "access_token")
    if stated or place is None:
        return str(stated) if stated else None
    with environment_of(host):
        stored = open_place(place, places.token_settings(host).region).read()
    with suppress(TokenError):
        return read_claims(stored.value).account or None if stored else None
    return None


def read_piped() -> tuple[Secret, Claims]:
    """The token on standard input; at a terminal it is asked for without echo. Raises TokenError."""
    text = getpass.getpass("Access token (not shown): ") if sys.stdin.isatty() else sys.stdin.read(MAX_CHARACTERS)
    return read_token(text)


def push(
    obtained: Obtained,
    hosts: Sequence[Host],
    target: Target,
    *,
    ask: adoption.Ask = adoption.gather,
    adoption_seconds: float = adoption.SECONDS,
) -> Pushed:
    """Store the token where each host looks for it and wait until each host's service says that it is in use.

    The version before is kept. UnhealthyError when a host does not adopt it in time: the token is stored then, and the
    message says what to do.
    """
    versions: dict[str, str] = {}
    for place, members in places.by_place(hosts).items():
        if place.name is None:
            _store_in_file(obtained.token, target, [host.name for host in members])
            version = file_version(obtained.token)
        else:
            with environment_of(members[0]):
                version = open_place(place.name, place.region).write(obtained.token)
                _keep_refresh_token(obtained, members[0])
        versions |= dict.fromkeys((host.name for host in members), version)
    notes = obtained.notes + adoption.wait(hosts, versions, ask=ask, seconds=adoption_seconds)
    expires_at = to_ist(obtained.claims.expires_at_ns)
    return Pushed(obtained.claims.account, expires_at, versions, next_session_after(expires_at), notes)


def next_session_after(moment: datetime, calendar: TradingCalendar | None = None) -> datetime | None:
    """When the first session opens that a token valid until `moment` does not cover; None when none is known."""
    calendar = calendar or TradingCalendar.load()
    day: date = moment.date()
    for _ in range(15):
        session = calendar.session(day)
        if session and session.phases and to_ist(session.phases[-1].close_ns) > moment:
            return to_ist(session.phases[0].open_ns)
        day += timedelta(days=1)
    return None


def _keep_refresh_token(obtained: Obtained, host: Host) -> None:
    """For the automatic refresh, where the account has one; otherwise it would be a secret without a use."""
    place = places.place_of(host, "refresh_token")
    if host.variables.get("broker_refresh") and obtained.refresh_token and place:
        open_place(place, places.token_settings(host).region).write(obtained.refresh_token)


def _store_in_file(token: Secret, target: Target, names: Sequence[str]) -> None:
    """Have the token_push playbook copy the token from a file that only this user can read, and that is gone after."""
    with tempfile.TemporaryDirectory(prefix="token-") as folder:
        path = Path(folder) / "credential"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(token.get_secret_value() + "\n")
        limited = Target(target.root, target.inventory, ",".join(names))
        run("token_push", limited, {"harvester_token_push_file": str(path)})
