"""Waiting until each host's service says that it uses the token that was stored."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from harvester.base.errors import UnhealthyError
from runbook.fleet.inventory import Host
from runbook.fleet.status import HostStatus

SECONDS = 60.0
ASK_AGAIN_SECONDS = 1.0
Ask = Callable[[Sequence[Host]], list[HostStatus]]
Newest = Callable[[Host], str | None]


class Wanted(NamedTuple):
    """The version of a token that was stored, and until when it is valid: of a store that is made anew the versions
    begin again, so that an old token may have the same."""

    version: str
    expires_at_ns: int | None


def wait(
    hosts: Sequence[Host], wanted: Mapping[str, Wanted], *, ask: Ask, newest: Newest, seconds: float
) -> tuple[str, ...]:
    """Return when each host uses what is wanted, or what its store holds by then: what to tell a person of the latter.

    `newest` is the version that a host's store holds. UnhealthyError when a host does not in time.
    """
    deadline = time.monotonic() + seconds
    waiting = list(hosts)
    notes: list[str] = []
    while waiting:
        answers = {answer.host: answer for answer in ask(waiting)}
        for host in list(waiting):
            used, own = _working(answers[host.name]), wanted[host.name]
            if used is None:
                continue
            if used.version == own.version and (None in (used[1], own[1]) or used[1] == own[1]):
                waiting.remove(host)
            elif used.version != own.version and used.version == newest(host):
                waiting.remove(host)
                notes.append(
                    f"{host.name} uses {used.version}: another token was stored after yours, {own.version}. Both work."
                )
        if waiting and time.monotonic() > deadline:
            reasons = "; ".join(_why_not(answers[host.name], wanted[host.name].version) for host in waiting)
            raise UnhealthyError(
                f"The token is stored, but not in use after {seconds:.0f} s: {reasons}. Look with "
                "`./inv status` and `./inv logs --unit harvester-token-agent`."
            )
        if waiting:
            time.sleep(ASK_AGAIN_SECONDS)
    return tuple(notes)


def say_asleep(names: Sequence[str]) -> tuple[str, ...]:
    """What to tell a person of hosts that cannot say yet that they use a token."""
    return (f"{', '.join(names)}: asleep, and will take it when they start.",) if names else ()


def _working(answer: HostStatus) -> Wanted | None:
    """What is in use, if it works."""
    report = answer.report or {}
    token = (report.get("status") or {}).get("token") or {}
    if token.get("state") != "ok" or not report.get("token_version"):
        return None
    return Wanted(str(report["token_version"]), token.get("expires_at_ns"))


def _why_not(answer: HostStatus, version: str) -> str:
    if answer.report is None:
        return answer.error
    token = (answer.report.get("status") or {}).get("token") or {}
    return (
        f"{answer.host} reports version {answer.report.get('token_version') or 'none'} in state "
        f"{token.get('state', 'unknown')}, wanted is {version} in state ok"
    )
