"""When a host's timers for packages fire, by systemd's own word, from the drop-ins of the golden host."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.base.market import zone

DROP_INS = Path(__file__).resolve().parents[1] / "golden/expected/host/aws/etc/systemd/system"
TIMERS = ("apt-daily", "apt-daily-upgrade")
SHOWN = "%Y-%m-%d %H:%M:%S UTC"


def settings(timer: str) -> dict[str, str]:
    """What the drop-in of a timer sets; an empty value, which clears a list, leaves the one after it."""
    lines = (DROP_INS / f"{timer}.timer.d/host-baseline.conf").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def latest_delay(timer: str) -> timedelta:
    """By how much a timer may fire later than its calendar says."""
    text = settings(timer)["RandomizedDelaySec"]
    assert text.endswith("min"), text
    return timedelta(minutes=int(text.removesuffix("min")))


def elapses(timer: str, begin: datetime, end: datetime) -> list[datetime]:
    """When it is due between two moments."""
    base, calendar = begin.astimezone(UTC).strftime(SHOWN), settings(timer)["OnCalendar"]
    argv = ["systemd-analyze", "calendar", f"--base-time={base}", "--iterations=100", calendar]
    shown = subprocess.run(argv, env={"TZ": "UTC", "LC_ALL": "C"}, capture_output=True, text=True, check=True).stdout
    rows = [
        line.partition(": ")[2] for line in shown.splitlines() if line.lstrip().startswith(("Next elapse", "Iter."))
    ]
    found = [datetime.strptime(row.partition(" ")[2], SHOWN).replace(tzinfo=UTC).astimezone(zone()) for row in rows]
    assert len(found) == 100, shown
    return [moment for moment in found if moment < end]
