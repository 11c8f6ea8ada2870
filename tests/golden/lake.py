"""What `harvester recover`, `close`, `export` and `verify` make of committed segments, as text by artefact.

Runs as a process of its own in an empty working directory: python -m tests.golden.lake DAY, where DAY is a key of DAYS.
"""

import contextlib
import io
import json
import os
import re
import sys
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

from tests.golden import render
from tests.golden.settings import COMMON, RECORDER, ROOT, SESSIONS, write_calendar
from tests.golden.still import stand_still, wall

HERE = Path(__file__).parent


class GoldenDay(NamedTuple):
    """Committed segments, in batches that are closed one after the other, and what was expected of the day."""

    date: str
    batches: tuple[str, ...]
    windows: list[list[str]]
    config: dict[str, Any]
    rows: bool = True
    """Whether the rows of all tables are committed; without, the ledger's, and hashes of the rest."""


MADE_SYMBOLS = ["NSE:SBIN-EQ", "NSE:INFY-EQ", "NSE:TCS-EQ", "NSE:ITC-EQ"]
DAYS = {
    "made": GoldenDay(
        "2026-11-23",
        ("made-first", "made-second"),
        [["09:15:00", "09:16:40"]],
        {
            "symbols": MADE_SYMBOLS,
            "poll": {"interval_seconds": 5.0},
            "hsm": {"symbols": ["NSE:SBIN-EQ", "NSE:INFY-EQ"], "index_symbols": ["NSE:NIFTY50-INDEX"]},
            "tbt": {"symbols": ["NSE:SBIN-EQ", "NSE:TCS-EQ"]},
        },
    ),
    "recorded": GoldenDay("2026-08-05", ("recorded",), SESSIONS, RECORDER, rows=False),
}


def bring(batch: str) -> None:
    """Unpack committed segments into the journal."""
    with tarfile.open(HERE / "journals" / f"{batch}.tar.xz") as archive:
        archive.extractall("data/journal", filter="data")


def command(*arguments: str) -> str:
    """Run a command of the harvester here: the command, what it printed, its exit code."""
    from tests.golden.production import run_command

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run_command(arguments)
    return f"$ harvester {' '.join(arguments)}\n{out.getvalue()}exit {code}\n"


def play(day: GoldenDay) -> dict[str, str]:
    """Every artefact of the day by its name."""
    now = stand_still(wall(f"{day.date}T18:00:00+05:30"), run=9)
    Path("config.json").write_text(json.dumps(COMMON | day.config, indent=1) + "\n", encoding="utf-8")
    os.environ["HARVESTER_CONFIG"] = f"{ROOT}/config.json"
    write_calendar(Path("calendar.json"), day.date, day.windows)
    found: dict[str, str] = {}
    said = []
    lake = Path("data/lake")
    for number, batch in enumerate(day.batches, start=1):
        bring(batch)
        said += [command("recover"), command("close")]
        said += [command("close", "--date", day.date, "--explain", "a frame of no type that there is, made by hand")]
        said += [command("close", "--date", day.date)]
        now.pass_by(3600)
        for path in sorted(lake.glob("*/date=*/host=*/*")):
            kind = path.relative_to(lake).parts[0]
            if path.name.startswith(".") or kind in ("raw", "superseded"):
                continue
            name = re.sub("-[0-9a-f]{16}", "", f"generation-{number}/{path.name}")  # the hash is in files.txt
            is_last = number == len(day.batches)
            if path.suffix == ".parquet" and (
                (is_last and day.rows) or kind == "gaps_v3"
            ):  # of the others before: the hashes
                found[f"{name}.jsonl"] = render.table(path)
            elif kind == "certificate" or path.name == "manifest.json":
                found[name] = render.outline(json.loads(path.read_bytes()))  # files.txt has the hash of its bytes
        found[f"generation-{number}/files.txt"] = render.files(lake)
    found["journal.txt"] = render.files(Path("data/journal"))
    said.append(command("export", "--csv", "--date", day.date, "--output", "csv"))
    said.append(command("verify", f"{lake}", "--json"))
    for path in sorted(Path("csv").glob("*")):
        found[path.name] = path.read_text("utf-8") if day.rows else render.files(path.parent)
    found["commands.txt"] = "\n".join(said)
    return found


if __name__ == "__main__":
    json.dump(play(DAYS[sys.argv[1]]), sys.stdout)
