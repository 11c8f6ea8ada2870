"""jobs, run-job: what each host's list of jobs says, and a start of one of them now."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet import units
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import PROGRAM, ask


@dataclass(frozen=True)
class HostJobs:
    """A host's list as `harvester job list` has it, or why there is none."""

    host: str
    jobs: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    asleep: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"host": self.host, "asleep": self.asleep, "error": self.error or None, "jobs": self.jobs}


def gather(hosts: Sequence[Host]) -> list[HostJobs]:
    """Ask all hosts at once; one that cannot answer has its reason in `error`."""
    with ThreadPoolExecutor(max_workers=min(16, max(1, len(hosts)))) as pool:
        return list(pool.map(_ask, hosts))


def _ask(host: Host) -> HostJobs:
    if host.asleep:
        return HostJobs(host.name, asleep=True)
    try:
        return HostJobs(host.name, list(ask(host, ["job", "list"])["jobs"]))
    except (HarvesterError, KeyError, TypeError) as error:
        said = str(error) if isinstance(error, HarvesterError) else f"its answer has no {error}: is it older?"
        return HostJobs(host.name, error=said)


def run_now(host: Host, name: str) -> dict[str, Any]:
    """Start a job, wait until it has ended, and return its record.

    ConfigError for a name that is none of the host's jobs, HarvesterError where it cannot be started or left no record.
    """
    before = _find(host, name)
    connection, unit = SshConnection(host), f"{before['unit']}.service"
    if not before["builtin"]:
        _ask_for(connection, name)
    units.start(connection, unit)
    units.wait_while(lambda: units.state(connection, unit)[0] in units.BUSY)
    after = _find(host, name)
    if not after["last"] or after["last"] == before["last"]:
        result = units.state(connection, unit)[1]
        raise HarvesterError(
            f"{host.name}: the run of {name} left no record (systemd says: {result}). The log of"
            f" {before['unit']} says why."
        )
    return dict(after["last"])


def _find(host: Host, name: str) -> dict[str, Any]:
    rows = list(ask(host, ["job", "list"])["jobs"])
    for row in rows:
        if row["name"] == name:
            return dict(row)
    raise ConfigError(f"{host.name} has no job {name!r}. It has: {', '.join(sorted(row['name'] for row in rows))}.")


def _ask_for(connection: SshConnection, name: str) -> None:
    done = connection.run(["sudo", "-n", PROGRAM, "job", "now", name], timeout_seconds=units.SECONDS)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("harvester: ")
        raise HarvesterError(f"{connection.host.name}: {said or 'it gave no answer'}")
