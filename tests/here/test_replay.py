"""A recorded day, served again by `exchange replay` and recorded again, gives the same rows."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from exchange.client import read_ready
from exchange.environment import client_environment
from harvester.config.file import PATH_VARIABLE
from harvester.lake.layout import folder_of
from lab import calendar
from lab.demo import here
from lab.demo.host import Demo, wait_until
from lab.demo.progress import Progress
from runbook.fleet.inventory import program

ALLOWANCE_SECONDS = 20
"""A day is served from its first frame on, some seconds before its session, and as long as it took."""
CAPTURE = "ts_recv, mono_offset_ns, run_id, seq, connection, in_session"
"""What a row says of its own recording."""


def rows(lake: Path, table: str) -> list[str]:
    """The sockets' rows of a table, per symbol in order of receipt, without what belongs to the recording."""
    day = duckdb.read_parquet(str(lake / folder_of(table) / "**/*.parquet")).filter("feed != 'fyers-rest'")
    wanted = day.order("symbol, run_id, seq, entry").select(f"* exclude ({CAPTURE})")
    return [repr(row) for row in wanted.to_arrow_table().to_pylist()]


def record_again(demo: Demo, lake: Path, day: str) -> Path:
    """Serve the day of `lake` and record it in a session of today; the new lake."""
    demo.state.mkdir(mode=0o700)
    calendar.write_calendar(demo.calendar, calendar.closed_calendar(calendar.market_today()))
    serve = [program("exchange"), "replay", "--date", day, "--state", str(demo.exchange)]
    with here.process(
        demo, "exchange", [*serve, "--calendar", str(demo.calendar), str(lake)], dict(os.environ)
    ) as exchange:
        here.wait_for(demo.exchange / "ready.json", exchange)
        config = here.write_config(demo)
        config.write_text(json.dumps({**json.loads(config.read_text()), "feeds": ["fyers-hsm", "fyers-tbt"]}))
        env = {**os.environ, **client_environment(read_ready(demo.exchange)), PATH_VARIABLE: str(config)}
        here.log_in(demo)
        with (
            here.process(demo, "token-agent", [program("harvester"), "token-agent"], env) as agent,
            here.process(demo, "recorder", [program("harvester"), "run"], env) as recorder,
        ):
            here.wait_for(demo.state / "access-token", agent)
            here.wait_for(demo.state / "status.json", recorder)
            _, closes = calendar.announce(demo.calendar, lead_seconds=here.LEAD_SECONDS, seconds=demo.session_seconds)
            wait_until(closes.timestamp() + 2)
    today = calendar.market_today().isoformat()
    subprocess.run([program("harvester"), "close", "--date", today], env=env, check=True, capture_output=True)
    return demo.state / "data" / "lake"


def test_a_replayed_day_recorded_again_has_the_same_rows(
    demonstration: tuple[dict[str, Any], str], root: Path, tmp_path: Path, figure: Any
) -> None:
    summary, _ = demonstration
    first = root / summary["lake"]
    seconds = summary["expected"] * 2 // len(summary["symbols"]) + ALLOWANCE_SECONDS
    demo = Demo(root, tmp_path / "again", tmp_path / "pulled", seconds, Progress(Console(quiet=True)))

    second = record_again(demo, first, summary["date"])

    differences = 0
    for table in ("depth", "quotes", "depth50"):
        before, after = rows(first, table), rows(second, table)
        assert before, f"{table}: nothing was recorded the first time"
        differences += len(set(before) ^ set(after)) + abs(len(before) - len(after))
        assert before == after
    figure("replayed_rows_different", differences, bound="== 0", unit="rows", gate=True)
