"""due: what each host's ledger says of a day, side by side."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.dues.due import WRONG
from runbook.fleet.inventory import Host
from runbook.fleet.status import ask


@dataclass(frozen=True)
class HostDues:
    """A host's entries as `harvester due --json` has them, or why there are none."""

    host: str
    entries: list[dict[str, Any]] = field(default_factory=list)
    settled: bool = False
    error: str = ""
    asleep: bool = False

    @property
    def well(self) -> bool:
        """Whether nothing is missing. A host that sleeps is asked when it is awake."""
        return self.asleep or not (self.error or any(entry["state"] in WRONG for entry in self.entries))

    def to_dict(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "asleep": self.asleep,
            "error": self.error or None,
            "settled": self.settled,
            "entries": self.entries,
        }


def gather(hosts: Sequence[Host], day: date | None) -> list[HostDues]:
    """Ask all hosts at once; one that cannot answer has its reason in `error`. None: each host's today."""
    with ThreadPoolExecutor(max_workers=min(16, max(1, len(hosts)))) as pool:
        return list(pool.map(lambda host: _ask(host, day), hosts))


def _ask(host: Host, day: date | None) -> HostDues:
    if host.asleep:
        return HostDues(host.name, asleep=True)
    try:
        answer = ask(host, ["due", "--json", *(["--date", str(day)] if day else [])])
        return HostDues(host.name, list(answer["entries"]), bool(answer["settled"]))
    except (HarvesterError, KeyError, TypeError) as error:
        said = str(error) if isinstance(error, HarvesterError) else f"its answer has no {error}: ./inv deploy"
        return HostDues(host.name, error=said)
