"""The broker's own candles of the demonstration's session: their delivery, and what was due on the day."""

from collections import Counter
from typing import Any

from harvester.base.errors import HarvesterError
from runbook.fleet.dues import gather
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection

DELIVERY_SECONDS = 120.0


def deliver(host: Host, day: str) -> None:
    """Have the host deliver the day now, in the unit of its timer. Raises HarvesterError with what the unit said."""
    connection, unit = SshConnection(host), f"harvester-deliver@{day}.service"
    done = connection.run(["sudo", "-n", "systemctl", "start", unit], timeout_seconds=DELIVERY_SECONDS)
    if done.returncode:
        said = connection.run(["sudo", "-n", "journalctl", "--unit", unit, "--lines", "20", "--output", "cat"])
        raise HarvesterError(f"{unit} did not deliver the day: {said.stdout.decode(errors='replace').strip()}")


def dues_of(host: Host, day: str) -> dict[str, Any]:
    """What was due on the day so far: how many in each state, and all but jobs by name."""
    (answer,) = gather([host], None)
    if answer.error:
        raise HarvesterError(f"{host.name} cannot say what was due on {day}: {answer.error}")
    named = {f"{entry['kind']} {entry['name']}": entry["state"] for entry in answer.entries if entry["kind"] != "job"}
    return {"states": dict(Counter(entry["state"] for entry in answer.entries)), "named": named}


def candle_rows(certificate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Per symbol: bars that were due, those recorded, and the others by cause."""
    section = certificate.get("candles", {"symbols": {}})
    return {
        symbol: {key: row[key] for key in ("expected", "recorded", "final", "gaps_by_cause")}
        for symbol, row in section["symbols"].items()
    }
