"""Waiting until each host's service says that it uses a version of the token."""

import time
from collections.abc import Callable, Mapping, Sequence

from harvester.base.errors import UnhealthyError
from runbook.fleet.inventory import Host
from runbook.fleet.status import HostStatus

SECONDS = 60.0
ASK_AGAIN_SECONDS = 1.0
Ask = Callable[[Sequence[Host]], list[HostStatus]]


def wait(hosts: Sequence[Host], versions: Mapping[str, str], *, ask: Ask, seconds: float) -> tuple[str, ...]:
    """Return when each host uses its version, or a later one: what to tell the person of the latter.

    UnhealthyError when a host does not in time.
    """
    deadline = time.monotonic() + seconds
    waiting = list(hosts)
    notes: list[str] = []
    while waiting:
        answers = {answer.host: answer for answer in ask(waiting)}
        for host in list(waiting):
            used = _used(answers[host.name], versions[host.name])
            if used:
                waiting.remove(host)
            if used and used != versions[host.name]:
                notes.append(
                    f"{host.name} uses {used}: another token was stored after yours, {versions[host.name]}. Both work."
                )
        if waiting and time.monotonic() > deadline:
            reasons = "; ".join(_why_not(answers[host.name], versions[host.name]) for host in waiting)
            raise UnhealthyError(
                f"The token is stored, but not in use after {seconds:.0f} s: {reasons}. Look with "
                "`./inv status` and `./inv logs --unit harvester-token-agent`."
            )
        if waiting:
            time.sleep(ASK_AGAIN_SECONDS)
    return tuple(notes)


def _used(answer: HostStatus, wanted: str) -> str | None:
    """The version in use, if it is the wanted one or, where versions are numbers, a later one, and works."""
    report = answer.report or {}
    state = ((report.get("status") or {}).get("token") or {}).get("state")
    version = str(report.get("token_version") or "")
    if state != "ok" or not (version == wanted or _number(version) > _number(wanted) > 0):
        return None
    return version


def _number(version: str) -> int:
    kind, _, number = version.partition(":")
    return int(number) if kind == "ssm" and number.isdigit() else 0


def _why_not(answer: HostStatus, version: str) -> str:
    if answer.report is None:
        return answer.error
    token = (answer.report.get("status") or {}).get("token") or {}
    return (
        f"{answer.host} reports version {answer.report.get('token_version') or 'none'} in state "
        f"{token.get('state', 'unknown')}, wanted is {version} in state ok"
    )
