"""status: what every host says of itself, side by side."""

import json
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection

PROGRAM = "/opt/harvester/current/bin/harvester"
AS_ITS_USER = "/usr/local/bin/harvester"
"""It becomes the user whose files the command writes."""
ANY_RELEASE = "/opt/harvester/libexec/any-release"
"""Runs the current release, or another one where that does not work."""


@dataclass(frozen=True)
class HostStatus:
    """A host's own health report, or why there is none."""

    host: str
    report: dict[str, Any] | None
    error: str = ""
    asleep: bool = False

    @property
    def healthy(self) -> bool:
        """By its own word; a host that sleeps is well unless there is a reason why it should not."""
        return bool(self.report and self.report.get("healthy")) or (self.asleep and not self.error)

    @property
    def failed_checks(self) -> list[dict[str, Any]]:
        return [check for check in self._checks if not check["ok"]]

    @property
    def remarks(self) -> list[dict[str, Any]]:
        """Checks that did not fail, and of which somebody should know."""
        return [check for check in self._checks if check["ok"] and check.get("fix")]

    @property
    def _checks(self) -> list[dict[str, Any]]:
        return list((self.report or {}).get("checks", []))

    def to_dict(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "healthy": self.healthy,
            "asleep": self.asleep,
            "error": self.error or None,
            "report": self.report,
        }


def gather(hosts: Sequence[Host]) -> list[HostStatus]:
    """Ask all hosts at once for `harvester health --json`; a host that cannot answer has its reason in `error`."""
    with ThreadPoolExecutor(max_workers=min(16, max(1, len(hosts)))) as pool:
        return list(pool.map(_ask, hosts))


def _ask(host: Host) -> HostStatus:
    if host.asleep:
        return HostStatus(host.name, None, asleep=True)
    try:
        return HostStatus(host.name, ask(host, ["health", "--json"]))
    except HarvesterError as error:
        return HostStatus(host.name, None, str(error))


def ask(host: Host, words: Sequence[str]) -> dict[str, Any]:
    """What `harvester WORDS` on a host answers in JSON, whatever its exit code. Raises HarvesterError."""
    connection = SshConnection(host)
    command = [PROGRAM, *words]
    # Root sees all of the host as it is now; others, and releases of before, answer by themselves.
    ways = [["sudo", "-n", ANY_RELEASE, *words], command, ["sudo", "-n", *command]]
    for way in ways:
        done = connection.run(way, timeout_seconds=30)
        if done.stdout.strip():
            break
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = " ".join(done.stderr.decode(errors="replace").split())[:300]
        raise HarvesterError(
            f"`{shlex.join(command)}` on {host.name} gave no report ({said or 'no message'}). Was the harvester "
            "deployed there? `./inv deploy` does it."
        ) from None
    return answer
