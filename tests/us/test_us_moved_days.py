"""The last minutes of a half day and of the Monday after a 25-hour Sunday, under a moved clock, by the processes."""

import json
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.exchanges import PROGRAM
from tests.sdk.conftest import MovedClock
from tests.us import moved_clock
from tests.us.test_us_session import PATIENCE, Host, ask, came, exchange, wait_until

from exchange.client import open_client
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import entered
from harvester.reader import open_lake

pytestmark = pytest.mark.long
BINARIES = Path(sys.executable).parent
COLUMNS = ("ts_begin", "open", "high", "low", "close", "volume")
AHEAD = 100
"""Seconds before the session's end."""


@pytest.mark.parametrize(
    ("day", "opens", "closes", "bars"),
    [
        ("2026-11-27", "14:30", "18:00", 210),
        ("2026-11-02", "14:30", "21:00", 390),
        ("2026-10-30", "13:30", "20:00", 390),
    ],
    ids=["half day", "Monday in winter time", "Friday before it"],
)
def test_a_session_ends_when_new_york_says_and_all_its_minutes_are_as_served(
    tmp_path: Path, day: str, opens: str, closes: str, bars: int
) -> None:
    """`opens`, `closes`: UTC."""
    begin, end = (datetime.fromisoformat(f"{day}T{hour}:00+00:00") for hour in (opens, closes))
    ahead_ns = int(end.timestamp() - AHEAD) * NS_PER_SECOND - time.time_ns()
    moved = [sys.executable, str(Path(moved_clock.__file__)), str(ahead_ns)]
    clock = MovedClock()
    clock.shift_ns = ahead_ns
    with exchange(tmp_path / "exchange", None, [*moved, PROGRAM]) as ready:
        host = Host(tmp_path, ready, tmp_path / "exchange", "", "schwab-stream", calendar=None, clock=clock)
        host.program = [*moved, str(BINARIES / "harvester")]
        with host.running("token-agent"), host.running("run"):
            wait_until(lambda: came(host.status()) >= 1, PATIENCE)
            wait_until(lambda: host.status().get("candles", {}).get("settled") == 3, PATIENCE)
            wait_until(lambda: host.status()["window"]["open"] is False, PATIENCE)
        with open_client(host.state) as client:
            served = ask(client, host.grants)
        closed = host.close(date.fromisoformat(day))

    assert closed.returncode == 0, closed.stderr
    [path] = (tmp_path / "data/lake/certificate").rglob("*.json")
    certificate = json.loads(path.read_bytes())
    section, stream = certificate["candles"]["symbols"]["QQQ"], certificate["streams"]["schwab-stream"]
    assert (section["expected"], section["recorded"], section["final"], len(served)) == (bars, bars, bars, bars)
    assert "provisional_by_cause" not in section and stream["symbols"]["QQQ"]["minutes"] >= 1
    with entered("us"):
        rows = open_lake(tmp_path / "data/lake").bars("QQQ", date.fromisoformat(day), source="broker").arrow()
    told = rows.select(COLUMNS).to_pylist()
    assert (told[0]["ts_begin"], told[-1]["ts_begin"]) == (begin, end - timedelta(minutes=1))
    assert [{name: row[name] for name in COLUMNS[1:]} for row in told] == [
        {name: row[name] for name in COLUMNS[1:]} for row in served
    ]
    assert [row["ts_begin"] for row in told] == [datetime.fromtimestamp(row["datetime"] / 1000, UTC) for row in served]
