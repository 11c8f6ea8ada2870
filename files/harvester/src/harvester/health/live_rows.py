"""What the live delivery of rows says of itself, and whether all is well with it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND
from harvester.config.settings import Settings
from harvester.health.remedies import Check

STATE = "live.json"
LOGS = "./inv logs --unit harvester-rows-live"
RESTART = "On the host: sudo systemctl restart harvester-rows-live"
ROWS = "rows "
"""What the name of such a finding begins with; the delivery's follows."""
PATIENCE_NS = 120 * NS_PER_SECOND
"""A database may be away for so long, as in a restart, before people are told."""


@dataclass
class LiveState:
    """A receipt of what was committed, and what is in its way. Times are wall ns."""

    date: str = ""
    home: str = ""
    watermark: dict[str, str] = field(default_factory=dict)
    """The begin of the newest bar that was committed today, by ticker."""
    latency_ms: dict[str, int] = field(default_factory=dict)
    """From the receipt of the broker's answer to the commit, of the last that brought something, by ticker."""
    fetched: dict[str, int] = field(default_factory=dict)
    """Rows of bars that were committed since the start of the service, by ticker."""
    failing_since_ns: int = 0
    """0: the last attempt went well."""
    problem: str = ""
    started_at_ns: int = 0
    looked_at_ns: int = 0


def live_folder(settings: Settings, name: str) -> Path:
    """Where the state of a live delivery lies."""
    return settings.data_dir / "rows" / name / "live"


def read_live(folder: Path) -> LiveState | None:
    """What it wrote last; None where it has not, or where it cannot be read."""
    try:
        return LiveState(**json.loads((folder / STATE).read_bytes()))
    except (OSError, TypeError, ValueError):
        return None


def check_rows(settings: Settings, now_ns: int) -> Iterator[Check]:
    """A finding for each live delivery."""
    for delivery in (each for each in settings.deliveries if each.live):
        state = read_live(live_folder(settings, delivery.name))
        name = f"{ROWS}{delivery.name}"
        if state is None:
            yield Check(
                name,
                False,
                "the live delivery has written nothing",
                f"./inv deploy; {LOGS}",
            )
        elif abs(age_ns := now_ns - state.looked_at_ns) > PATIENCE_NS:
            seconds = abs(age_ns) // NS_PER_SECOND
            ahead = f"the live delivery's last look is {seconds} s ahead of this host's clock"
            yield Check(
                name,
                False,
                f"the live delivery looked {seconds} s ago" if age_ns > 0 else ahead,
                RESTART,
            )
        elif state.failing_since_ns and now_ns - state.failing_since_ns > PATIENCE_NS:
            yield Check(name, False, state.problem, LOGS)
        else:
            newest = max(state.watermark.values(), default="none yet")
            yield Check(name, True, f"newest bar of {state.date}: {newest}, in {state.home or 'no database yet'}")
