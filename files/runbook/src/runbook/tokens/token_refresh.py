"""What is held against the automatic refresh: token-status shows it, and token-undo --refresh has it forgotten.

The function in AWS remembers in SSM, a host where its settings say: in AWS, too, or in a file of its own.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from harvester.base.errors import HarvesterError
from harvester.tokens.places import open_place
from harvester.tokens.renewal import RenewalOutcome, forget, remembered
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target, run
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import PROGRAM
from runbook.tokens import places
from runbook.tokens.credentials import CredentialStatus

NAME = "automatic refresh"
UNDO = "./inv token-undo --refresh"
AS_THE_AGENT = ("sudo", "-n", "runuser", "-u", "harvester-token", "-g", "harvester", "--")


class Memory(NamedTuple):
    """Where a refresh remembers: a store that is reached from here, or a file on the host."""

    place: str
    region: str | None
    host: Host

    @property
    def on_host(self) -> bool:
        return self.place.startswith("file:")

    @property
    def label(self) -> str:
        return f"{self.host.name}: {self.place.removeprefix('file:')}" if self.on_host else self.place


def look(hosts: Sequence[Host]) -> list[CredentialStatus]:
    """A line for each refresh that is held up; none where it goes on, or is not wanted. Raises StoreError."""
    found = []
    for memory in memories(hosts):
        held = _ask(memory) if memory.on_host else _read(memory)
        if held:
            action = held.detail if held.kind == "unknown" else f"{held.detail} To have it tried again: {UNDO}"
            found.append(CredentialStatus(NAME, memory.label, None, None, None, action, good=True, state=held.kind))
    return found


def undo(hosts: Sequence[Host], target: Target) -> list[str]:
    """Have all of it forgotten, so that the next run tries again; where that was. Raises StoreError, PlaybookError."""
    known = memories(hosts)
    files = [memory for memory in known if memory.on_host]
    if files:
        run("token_forget", target.of(memory.host.name for memory in files))
    stores = [memory for memory in known if not memory.on_host and _read(memory)]
    for memory in stores:
        with environment_of(memory.host):
            forget(open_place(memory.place, memory.region))
    return [memory.label for memory in files + stores]


def memories(hosts: Sequence[Host]) -> list[Memory]:
    """Each place once, of the refreshes that the inventory wants."""
    found: dict[tuple[str, str | None, str], Memory] = {}
    for host in hosts:
        settings = places.token_settings(host)
        wanted = [settings.renew.state] if host.variables.get("harvester_renew") else []
        in_aws = places.place_of(host, "refresh_state") if host.variables.get("broker_refresh") else None
        for place in [*wanted, *([in_aws] if in_aws else [])]:
            memory = Memory(place, settings.region, host)
            found.setdefault((place, settings.region, host.name if memory.on_host else ""), memory)
    return list(found.values())


def _read(memory: Memory) -> RenewalOutcome | None:
    with environment_of(memory.host):
        return remembered(open_place(memory.place, memory.region))


def _ask(memory: Memory) -> RenewalOutcome | None:
    """The file is the token agent's own, so its program on the host is asked."""
    try:
        done = SshConnection(memory.host).run([*AS_THE_AGENT, PROGRAM, "renew", "--remembered"], timeout_seconds=30)
        held = json.loads(done.stdout)
    except HarvesterError as error:
        return RenewalOutcome("unknown", str(error), False)
    except ValueError:
        said = " ".join(done.stderr.decode(errors="replace").split())[:300] or "no message"
        return RenewalOutcome("unknown", f"{memory.host.name} does not say what it remembers ({said}).", False)
    return RenewalOutcome(held["kind"], held["detail"], False) if held else None
