"""workers, worker: what each overseer knows of its workers, and what a person has it do with one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet.inventory import Host, refuse_sleepers
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import AS_ITS_USER, ask

VARIABLE = "overseer_settings"
ACTIONS = ("restart", "pause", "resume", "undo-repair")
SECONDS = 900.0
"""A verb of a mailbox may take ten minutes, and the look that is under way comes first."""


@dataclass(frozen=True)
class HostWorkers:
    """What `harvester workers show` says on an overseer, or why it says nothing."""

    host: str
    workers: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    asleep: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"host": self.host, "asleep": self.asleep, "error": self.error or None, "workers": self.workers}


def overseers(hosts: Sequence[Host]) -> list[Host]:
    """The hosts that watch workers, by the inventory. Raises ConfigError where there is none."""
    found = [host for host in hosts if host.variables.get(VARIABLE)]
    if not found:
        raise ConfigError(f"No host watches workers: the inventory sets {VARIABLE} for none of them (docs/workers.md).")
    return found


def gather(hosts: Sequence[Host]) -> list[HostWorkers]:
    """Ask all overseers at once; one that cannot answer has its reason in `error`."""
    with ThreadPoolExecutor(max_workers=min(16, max(1, len(hosts)))) as pool:
        return list(pool.map(_ask, hosts))


def _ask(host: Host) -> HostWorkers:
    if host.asleep:
        return HostWorkers(host.name, asleep=True)
    try:
        return HostWorkers(host.name, list(ask(host, ["workers", "show", "--json"])["workers"]))
    except (HarvesterError, KeyError, TypeError) as error:
        said = str(error) if isinstance(error, HarvesterError) else f"its answer has no {error}: is it older?"
        return HostWorkers(host.name, error=said)


def act(hosts: Sequence[Host], name: str, action: str) -> str:
    """Have the one overseer of this worker do something with it; what it said.

    ConfigError for a worker that none or several of the hosts watch, HarvesterError where it cannot be done.
    """
    refuse_sleepers(host.name for host in hosts if host.asleep)
    watching = [host for host in hosts if name in _names(host)]
    if not watching:
        known = sorted({each for host in hosts for each in _names(host)})
        raise ConfigError(f"Nobody watches a worker {name!r}. There are: {', '.join(known)}.")
    if len(watching) > 1:
        named = ", ".join(host.name for host in watching)
        raise ConfigError(f"{named} each watch a worker {name}. Choose one with --limit.")
    done = SshConnection(watching[0]).run([AS_ITS_USER, "workers", action, name], timeout_seconds=SECONDS)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("harvester: ")
        raise HarvesterError(f"{watching[0].name}: {said or 'it gave no answer'}")
    return done.stdout.decode(errors="replace").strip()


def _names(host: Host) -> list[str]:
    return [str(worker.get("name")) for worker in host.variables[VARIABLE].get("workers") or ()]
