"""deliver: a host's deliveries of a day, run there now by the host's own command."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import AS_ITS_USER

COMMANDS = ("deliver", "deliver-rows")
"""Of price feeds, and of databases; each does nothing where there is none of its own."""
TIMEOUT_SECONDS = 3600.0


def deliver(host: Host, day: date | None, name: str | None) -> tuple[list[dict[str, Any]], str]:
    """What the host delivered, a result for each delivery, and why something is lacking; empty: nothing is.

    HarvesterError when the host cannot be reached, or its command did nothing.
    """
    connection, found, problems = SshConnection(host), [], []
    for command in COMMANDS:
        words = [AS_ITS_USER, command, "--json"]
        words += ["--date", day.isoformat()] if day else []
        words += ["--name", name] if name else []
        done = connection.run(words, timeout_seconds=TIMEOUT_SECONDS)
        said = done.stderr.decode(errors="replace").strip().removeprefix("harvester: ")
        try:
            found += json.loads(done.stdout)
        except ValueError:
            raise HarvesterError(f"{host.name}: {said or f'harvester {command} gave no answer'}") from None
        problems += [said] if done.returncode else []
    return found, " ".join(problems)


def compare_rows(host: Host, day: date) -> list[dict[str, Any]]:
    """What the host finds of a day's rows in each of its databases; nothing is brought.

    HarvesterError when the host cannot be reached, or a database cannot be asked.
    """
    return _compare(host, ["deliver-rows", "--compare"], day)


def compare_candles(host: Host, day: date) -> list[dict[str, Any]]:
    """What the host finds of a day's last bars when it asks the broker for them once more, by symbol.

    HarvesterError when the host cannot be reached, or has no token.
    """
    return _compare(host, ["compare-candles"], day)


def _compare(host: Host, command: Sequence[str], day: date) -> list[dict[str, Any]]:
    done = SshConnection(host).run(
        [AS_ITS_USER, *command, "--json", "--date", day.isoformat()], timeout_seconds=TIMEOUT_SECONDS
    )
    try:
        return list(json.loads(done.stdout))
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().removeprefix("harvester: ")
        raise HarvesterError(f"{host.name}: {said or f'harvester {command[0]} gave no answer'}") from None


def describe(host: str, results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each day that a host delivered."""
    for each in results:
        if "tables" in each:
            yield from _describe_rows(host, each)
            continue
        counts = ", ".join(f"{each[key]} {key}" for key in ("missing", "rejected", "revised") if key in each)
        bars = f"{each['total_records']} bars of {each['symbols_processed']} symbols"
        yield f"{host}: {each['date']}, {bars}{counts and f' ({counts})'}, {each['uploaded_files']} files new"
    if not results:
        yield f"{host}: no delivery is configured (harvester_settings.deliveries)"


def _describe_rows(host: str, result: Mapping[str, Any]) -> Iterator[str]:
    """A day in a database."""
    if not result["complete"]:
        yield f"{host}: {result['date']}, not complete in {result['place']}"
        return
    rows = f"{result.get('records', 0)} rows of {len(result['symbols'])} symbols in {', '.join(result['tables'])}"
    yield f"{host}: {result['date']}, {rows}, {result['place']}"
