"""token-push: a fresh access token from the operator's hands to the hosts, and proof that the service uses it.

The token goes through memory, SSM's API or a private temporary file; never through an argument, a log or a message.
"""

import getpass
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr, ValidationError

from harvester.calendar import TradingCalendar
from harvester.clock import to_ist
from harvester.errors import ConfigError, UnhealthyError
from harvester.ops.inventory import Host
from harvester.ops.playbook import Target, run
from harvester.ops.status import HostStatus, gather
from harvester.ops.surroundings import surroundings_of
from harvester.redaction import register_secret
from harvester.settings import TokenSettings
from harvester.tokens.claims import Claims, check_token

ADOPTION_SECONDS = 60
MAX_CHARACTERS = 65_536
ASK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Pushed:
    """What was pushed: whose token, until when, under which versions, and when to log in next."""

    account: str
    expires_at: datetime
    versions: Mapping[str, str]
    next_session: datetime | None


def read_token(text: str) -> tuple[SecretStr, Claims]:
    """A token as pasted or piped, checked for shape, kind and expiry. Raises TokenError."""
    token = SecretStr(text.strip())
    register_secret(token)
    return token, check_token(token, time.time_ns())


def obtain(
    host: Host, *, stdin: bool = False, secret_stdin: bool = False, paste: bool = False
) -> tuple[SecretStr, Claims]:
    """A token from standard input, or from a login of the person at the terminal. Raises TokenError, LoginError."""
    if stdin:
        return read_piped()
    from harvester.ops.broker_login import log_in, page_opener, read_app

    secret = SecretStr(sys.stdin.readline().strip()) if secret_stdin else None
    app = read_app(host, secret)
    opener = page_opener(app.redirect_uri, lambda text: print(text, file=sys.stderr, flush=True), paste=paste)
    return log_in(host, opener, secret=app.secret)


def read_piped() -> tuple[SecretStr, Claims]:
    """The token on standard input; at a terminal it is asked for without echo. Raises TokenError."""
    text = getpass.getpass("Access token (not shown): ") if sys.stdin.isatty() else sys.stdin.read(MAX_CHARACTERS)
    return read_token(text)


def push(
    token: SecretStr,
    claims: Claims,
    hosts: Sequence[Host],
    target: Target,
    *,
    ask: Callable[[Sequence[Host]], list[HostStatus]] = gather,
    adoption_seconds: float = ADOPTION_SECONDS,
) -> Pushed:
    """Store the token where each host looks for it and wait until each host's service says that it is in use.

    UnhealthyError when a host does not adopt it in time: the token is stored then, and the message says what to do.
    """
    wanted = {host.name: token_settings(host) for host in hosts}
    versions: dict[str, str] = {}
    for (parameter, region), names in _by_parameter(wanted).items():
        with surroundings_of(next(host for host in hosts if host.name in names)):
            version = _store_in_ssm(token, parameter, region)
        versions |= dict.fromkeys(names, version)
    by_file = [name for name, settings in wanted.items() if settings.source == "file"]
    if by_file:
        _store_in_file(token, target, by_file)
        versions |= dict.fromkeys(by_file, file_version(token))
    _await_adoption(hosts, versions, ask, adoption_seconds)
    expires_at = to_ist(claims.expires_at_ns)
    return Pushed(claims.account, expires_at, versions, next_session_after(expires_at))


def file_version(token: SecretStr) -> str:
    """How a host's file store names this token."""
    return f"file:{hashlib.sha256(token.get_secret_value().encode()).hexdigest()[:8]}"


def token_settings(host: Host) -> TokenSettings:
    """The token settings that the inventory gives a host, with the defaults filled in; ConfigError when refused."""
    try:
        return TokenSettings.model_validate(host.settings.get("token") or {})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(
            f"The inventory's harvester_settings.token of {host.name} is refused at {key or 'token'}: {fault['msg']}. "
            "Correct it in the inventory's group_vars."
        ) from None


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


def _by_parameter(wanted: Mapping[str, TokenSettings]) -> dict[tuple[str, str | None], list[str]]:
    groups: dict[tuple[str, str | None], list[str]] = {}
    for name, settings in wanted.items():
        if settings.source == "ssm" and settings.parameter:
            groups.setdefault((settings.parameter, settings.region), []).append(name)
    return groups


def _store_in_ssm(token: SecretStr, parameter: str, region: str | None) -> str:
    from harvester.tokens.stores import SsmStore

    return SsmStore(parameter, region).write(token)


def _store_in_file(token: SecretStr, target: Target, names: Sequence[str]) -> None:
    """Have the token_push playbook copy the token from a file that only this user can read, and that is gone after."""
    with tempfile.TemporaryDirectory(prefix="token-") as folder:
        path = Path(folder) / "credential"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(token.get_secret_value() + "\n")
        limited = Target(target.root, target.inventory, ",".join(names))
        run("token_push", limited, {"harvester_token_push_file": str(path)})


def _await_adoption(
    hosts: Sequence[Host],
    versions: Mapping[str, str],
    ask: Callable[[Sequence[Host]], list[HostStatus]],
    adoption_seconds: float,
) -> None:
    deadline = time.monotonic() + adoption_seconds
    waiting = list(hosts)
    last: dict[str, HostStatus] = {}
    while waiting:
        last = {answer.host: answer for answer in ask(waiting)}
        waiting = [host for host in waiting if not _adopted(last[host.name], versions[host.name])]
        if waiting and time.monotonic() > deadline:
            reasons = "; ".join(_why_not(last[host.name], versions[host.name]) for host in waiting)
            raise UnhealthyError(
                f"The token is stored, but not in use after {adoption_seconds:.0f} s: {reasons}. Look with "
                "`./inv status` and `./inv logs --unit harvester-token-agent`."
            )
        if waiting:
            time.sleep(ASK_AGAIN_SECONDS)


def _adopted(answer: HostStatus, version: str) -> bool:
    report = answer.report or {}
    state = ((report.get("status") or {}).get("token") or {}).get("state")
    return report.get("token_version") == version and state == "ok"


def _why_not(answer: HostStatus, version: str) -> str:
    if answer.report is None:
        return answer.error
    token = (answer.report.get("status") or {}).get("token") or {}
    return (
        f"{answer.host} reports version {answer.report.get('token_version') or 'none'} in state "
        f"{token.get('state', 'unknown')}, wanted is {version} in state ok"
    )
