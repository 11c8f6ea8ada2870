"""The calendar of the market us, from the public package exchange_calendars; the one in our package was made so.

Holidays and early closes are NYSE's, which Nasdaq shares. The package brings pandas, so it has a venv of its own, kept
in .cache by the content of its lock. `python -m runbook.fleet.us_calendar` shows what a new one would change in the
packaged calendar; with `--write` it writes it.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.base.market import MARKETS, entered
from harvester.calendar.model import packaged
from runbook.fleet import calendar
from runbook.fleet.calendar import Data

ROOT = Path(__file__).resolve().parents[5]
LOCK, SOURCE = "calendars", "exchange_calendars"
FACTS = Path(__file__).with_name("nyse_facts.py")
FIRST, LAST = 2025, 2028
"""Years of the packaged calendar: NYSE names its days about three years ahead (nyse.com, holidays and hours)."""
US = MARKETS["us"]
SECONDS = 600


def fetch(root: Path, first: int = FIRST, last: int = LAST) -> Data:
    """A whole calendar of these years, as the package of the lock has them now. Raises HarvesterError."""
    python = provide_venv(root)
    folder = python.parent.parent
    command = [str(python), "-I", str(FACTS), str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise HarvesterError(f"{SOURCE} gave no days ({said}). Remove its venv, {folder}, and run the command again.")
    return compose(json.loads(done.stdout), first, last)


def compose(facts: Mapping[str, Any], first: int, last: int) -> Data:
    """A calendar in our format of what nyse_facts.py says. Raises HarvesterError for another zone than the market's."""
    if facts["zone"] != US.zone_name:
        raise HarvesterError(f"exchange_calendars has NYSE in {facts['zone']}, and the market us is in {US.zone_name}.")
    source = f"{SOURCE} {facts['version']}, XNYS"
    opens, early = facts["opens"], facts["early"]
    return {
        "timezone": US.zone_name,
        "market": "US equities: the core session that NYSE and Nasdaq share; no hours before or after it",
        "valid_until": f"{last}-12-31",
        "phase_rules": [
            {
                "from": f"{first}-01-01",
                "to": None,
                "phases": {"continuous": [[opens, facts["closes"]]]},
                "reference": source,
            }
        ],
        "holidays": [{"date": day, "name": name, "reference": source} for day, name in facts["holidays"].items()],
        "special_sessions": [
            {
                "date": day,
                "kind": "half_day",
                "phases": {"continuous": [[opens, closes]]},
                "status": "confirmed",
                "reference": source,
            }
            for day, closes in early.items()
        ],
    }


def provide_venv(root: Path) -> Path:
    """The Python of the venv of requirements/calendars.txt, made where it is missing. Raises HarvesterError."""
    lock = root / "requirements" / f"{LOCK}.txt"
    folder = root / ".cache" / f"{LOCK}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if python.exists():
        return python
    uv = [str(Path(sys.executable).with_name("uv")), "-q", "--system-certs"]
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    sync = ["pip", "sync", "--require-hashes", "--python", str(making / "bin" / "python"), str(lock)]
    for command in ([*uv, "venv", "--relocatable", "--python", sys.executable, str(making)], [*uv, *sync]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            said = done.stderr.strip().rpartition("\n")[2]
            raise HarvesterError(
                f"{lock}: its packages did not come ({said}). Is the package index reachable? Run the command again; or"
                " give a whole calendar with --source FILE."
            )
    making.rename(folder)
    return python


def main(arguments: list[str]) -> int:
    """Show how the packaged calendar would change; 1 where it would and is not written."""
    with entered("us"):
        path = packaged()
        now, new = (calendar.current(path) if path.exists() else None), fetch(ROOT)
        changes = list(calendar.compare(now, new)) if now else []
        for change in changes:
            print(change.sign, change.day, change.what, change.source)
        if "--write" in arguments:
            calendar.write(path, new)
    return 1 if changes and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
