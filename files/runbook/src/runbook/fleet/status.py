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


@dataclass(frozen=True)
class HostStatus:
    """A host's own health report, or why there is none."""

    host: str
    report: dict[str, Any] | None
    error: str = ""

    @property
    def healthy(self) -> bool:
        return bool(self.report and self.report.get("healthy"))

    @property
    def failed_checks(self) -> list[dict[str, Any]]:
        return [check for check in (self.report or {}).get("checks", []) if not check["ok"]]

    def to_dict(self) -> dict[str, Any]:
        return {"host": self.host, "healthy": self.healthy, "error": self.error or None, "report": self.report}


def gather(hosts: Sequence[Host]) -> list[HostStatus]:
    """Ask all hosts at once for `harvester health --json`; a host that cannot answer has its reason in `error`."""
    with ThreadPoolExecutor(max_workers=min(16, max(1, len(hosts)))) as pool:
        return list(pool.map(_ask, hosts))


def _ask(host: Host) -> HostStatus:
    connection = SshConnection(host)
    command = [PROGRAM, "health", "--json"]
    try:
        done = connection.run(command, timeout_seconds=30)
        if not done.stdout.strip():
            # the login user may not read the state without sudo when it joined the group only just now
            done = connection.run(["sudo", "-n", *command], timeout_seconds=30)
        return HostStatus(host.name, json.loads(done.stdout))
    except HarvesterError as error:
        return HostStatus(host.name, None, str(error))
    except ValueError:
        said = " ".join(done.stderr.decode(errors="replace").split())[:300]
        return HostStatus(
            host.name,
            None,
            f"`{shlex.join(command)}` on {host.name} gave no report ({said or 'no message'}). Was the harvester "
            "deployed there? `./inv deploy` does it.",
        )
