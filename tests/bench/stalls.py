"""How long the recorder's loop stamps nothing, under load: `python -m tests.bench.stalls`.

While 5,000 symbols update twice a second, segments roll, the status file is written and every connection is cut. The
recorder runs under `tests.bench.watched`; namespaces as in `tests.bench.live`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.live import SETTLE_SECONDS, lead_names_here, recording, sleep_until

from exchange.client import call_control
from harvester.base.clock import NS_PER_SECOND

ROLL_SECONDS = 5
CUT = {"action": "cut", "count": 10, "duration_seconds": 1}


def watch_load(place: Path, symbols: int, seconds: int, *, rate: float) -> dict[str, Any]:
    """Record so long with a cut in the middle; what `tests.bench.watched` has found in the window and at its close."""
    report = place / "stalls.json"
    command = [sys.executable, "-m", "tests.bench.watched", str(report), "run"]
    serve = ["--load-rate", str(rate)]
    settings = {"journal": {"segment_seconds": ROLL_SECONDS}}
    with recording(place, command, symbols, seconds, serve=serve, settings=settings) as session:
        sleep_until(session.opens.timestamp() + max(SETTLE_SECONDS, seconds / 2))
        call_control(session.exchange, "POST", "/faults", json.dumps([CUT]))
        sleep_until(session.closes.timestamp() + 2)
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    window = session.opens.timestamp() * NS_PER_SECOND, (session.closes.timestamp() + 1) * NS_PER_SECOND
    stalls = [row for row in found["stalls"] if window[0] <= row["ended_ns"] < window[1]]
    return {**found, "stalls": stalls}


def main(place: str, symbols: str, seconds: str, rate: str) -> None:
    lead_names_here(Path(place))
    print(json.dumps(watch_load(Path(place), int(symbols), int(seconds), rate=float(rate))))


if __name__ == "__main__":
    main(*sys.argv[1:])
