"""token-push: store a fresh access token where the hosts look for it, and wait until the service says that it uses it.

The token is in memory, in AWS's API or in a private temporary file; never in an argument, a log or a message.
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

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.redaction import Secret, register_secret
from harvester.calendar import TradingCalendar
from harvester.tokens.claims import Claims, TokenError, check_token, read_claims
from harvester.tokens.stores import file_version
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host, refuse_sleepers
from runbook.fleet.playbook import Target, run
from runbook.fleet.status import gather
from runbook.fleet.turns import in_turn, raise_all
from runbook.tokens import adoption, places
from runbook.tokens.broker_login import Obtained, check_given, log_in, page_opener, read_app, stand_in_of

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
    """A checked token from standard input, or from a login of the person at the terminal.

    Raises TokenError or LoginError; nothing has been stored then.
    """
    account = expected_account(host)
    if stdin:
        text = getpass.getpass("Access token (not shown): ") if sys.stdin.isatty() else sys.stdin.read(MAX_CHARACTERS)
        token, claims = read_token(text)
        return check_given(host, token, claims, account)
    secret = Secret(sys.stdin.readline().strip()) if secret_stdin else None
    app = read_app(host, secret)
    opener = page_opener(
        app.redirect_uri, lambda text: print(text, file=sys.stderr, flush=True), paste=paste, stand_in=stand_in_of(host)
    )
    return log_in(host, opener, app=app, account=account)


def expected_account(host: Host) -> str | None:
    """The account that records: as the inventory says, else that of the token stored last; None at the first login."""
    if stated := host.variables.get("broker_account"):
        return str(stated)
    with environment_of(host):
        store = places.store_of(host, "access_token")
        stored = store.read() if store else None
    with suppress(TokenError):
        return read_claims(stored.value).account or None if stored else None
    return None


def refuse_unreached(hosts: Sequence[Host]) -> None:
    """HarvesterError, before anybody logs in, when a host that takes its token from a file sleeps."""
    refuse_sleepers(host.name for host in hosts if host.asleep and not places.place_of(host, "access_token"))


def push(
    obtained: Obtained,
    hosts: Sequence[Host],
    target: Target,
    *,
    ask: adoption.Ask = gather,
    adoption_seconds: float = adoption.SECONDS,
) -> Pushed:
    """Store the token where each host looks for it and wait until each host's service says that it is in use.

    The version before is kept. A host that sleeps takes it when it starts, and is not waited for. UnhealthyError when
    another does not adopt it in time: the token is stored then, and the message says what to do. HarvesterError when
    a store fails: the other stores have the token, and the message names their hosts.
    """
    versions: dict[str, str] = {}
    expires_at_ns = obtained.claims.expires_at_ns

    def store_for(members: Sequence[Host]) -> None:
        names = [host.name for host in members]
        if store := places.store_of(members[0], "access_token"):
            with environment_of(members[0]):
                version = store.write(obtained.token)
                versions.update(dict.fromkeys(names, version))
                _keep_refresh_token(obtained, members[0])
        else:
            _store_in_file(obtained.token, target, names)
            versions.update(dict.fromkeys(names, file_version(obtained.token)))

    failed = in_turn(places.by_store(hosts), store_for)
    if failed and versions:
        failed.append(HarvesterError(f"The token is stored for {', '.join(versions)}: `./inv token-status` shows it."))
    raise_all(failed)
    wanted = {name: adoption.Wanted(version, expires_at_ns) for name, version in versions.items()}
    awake, asleep = [host for host in hosts if not host.asleep], [host.name for host in hosts if host.asleep]
    notes = obtained.notes + adoption.wait(
        awake, wanted, ask=ask, newest=places.newest_access_token, seconds=adoption_seconds
    )
    notes += adoption.say_asleep(asleep)
    expires_at = to_local(expires_at_ns)
    return Pushed(obtained.claims.account, expires_at, versions, next_session_after(expires_at), notes)


def next_session_after(moment: datetime, calendar: TradingCalendar | None = None) -> datetime | None:
    """When the first session opens that a token valid until `moment` does not cover; None when none is known."""
    calendar = calendar or TradingCalendar.load()
    day: date = moment.date()
    for _ in range(15):
        session = calendar.session(day)
        if session and session.phases and to_local(session.phases[-1].close_ns) > moment:
            return to_local(session.phases[0].open_ns)
        day += timedelta(days=1)
    return None


def _keep_refresh_token(obtained: Obtained, host: Host) -> None:
    """For the automatic refresh, where the account has one; otherwise it would be a secret without a use."""
    store = places.store_of(host, "refresh_token")
    if host.variables.get("broker_refresh") and obtained.refresh_token and store:
        store.write(obtained.refresh_token)


def _store_in_file(token: Secret, target: Target, names: Sequence[str]) -> None:
    """Have the token_push playbook copy the token from a file that only this user can read, and that is gone after."""
    with tempfile.TemporaryDirectory(prefix="token-") as folder:
        path = Path(folder) / "credential"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(token.get_secret_value() + "\n")
        run("token_push", target.of(names), {"harvester_token_push_file": str(path)})
