"""backfill: an order to a host, its work, and what came: the host asks and builds by itself, this looks on."""

import json
import shlex
from collections.abc import Callable
from typing import Any

from harvester.base.clock import parse_date
from harvester.base.errors import HarvesterError
from harvester.config.resolutions import parse_resolution
from runbook.fleet import units
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection

COMMAND = "/usr/local/bin/harvester"
ASKING, BUILDING = "harvester-backfill.service", "harvester-build-history.service"
TIMEOUT_SECONDS = 300.0
Show = Callable[[dict[str, Any]], None]


def words_of(since: str, until: str | None, resolution: str, symbols: str | None) -> list[str]:
    """The order as the host's command takes it. Raises ConfigError for dates and resolutions that are none."""
    parse_date(since, "--since")
    words = ["--since", since, "--resolution", parse_resolution(resolution).name]
    if until:
        parse_date(until, "--until")
        words += ["--until", until]
    return [*words, "--symbols", symbols] if symbols else words


def order(host: Host, words: list[str]) -> dict[str, Any]:
    """Give the order; what it takes. Raises HarvesterError with the host's own words."""
    return _ask(SshConnection(host), ["backfill", *words])


def begin(host: Host) -> None:
    """Have the host work at its order; it goes on without us."""
    units.start(SshConnection(host), ASKING)


def follow(host: Host, show: Show) -> dict[str, Any]:
    """Look on until the host has asked for everything and made tables of it; the last word.

    Raises HarvesterError when the tables could not be made. `show` gets each word in between.
    """
    connection = SshConnection(host)
    seen: dict[str, Any] = {}

    def is_busy() -> bool:
        seen.update(_ask(connection, ["backfill", "--status"]))
        show(seen)
        states = [units.state(connection, unit) for unit in (ASKING, BUILDING)]
        if any(active in units.BUSY for active, _ in states):
            return True
        if seen["waiting_segments"] and states[1][1] != "success":
            raise HarvesterError(
                f"{host.name}: the answers are kept, and no tables could be made of them. The log of {BUILDING} says"
                " why; when that is cured, give the order again."
            )
        return bool(seen["at_work"] or seen["waiting_segments"])

    units.wait_while(is_busy)
    return seen


def _ask(connection: SshConnection, words: list[str]) -> dict[str, Any]:
    done = connection.run([COMMAND, *words], timeout_seconds=TIMEOUT_SECONDS)
    said = done.stderr.decode(errors="replace").strip().removeprefix("harvester: ")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        what = said or f"{shlex.join(words[:2])} gave no answer"
        raise HarvesterError(f"{connection.host.name}: {what}") from None
    return answer
