"""`./inv demo --here`: the data path as ordinary processes ends with verified files and nothing left running."""

import csv
import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from harvester.reader.export import export_csv

SYMBOLS = 5
POLLS = 8
A_MINUTE_MS = 60_000


def test_the_data_path_as_ordinary_processes(demonstration: tuple[dict[str, Any], str], root: Path) -> None:
    summary, printed = demonstration
    assert "without a host" in printed
    assert summary["expected"] == SYMBOLS * POLLS
    assert summary["every_expected_poll_is_data_or_in_the_ledger"] is True
    assert summary["unexplained_stream_ns"] == 0
    for compared in (summary["exchange"], summary["sockets"]):
        assert compared["recorded"] > 0
        assert compared["missing"] == compared["foreign"] == 0
    for symbol in summary["symbols"]:
        assert summary["streams"][symbol]["fyers-hsm"]["updates"]["depth"] > 0
    assert sum("fyers-tbt" in feeds for feeds in summary["streams"].values()) == 1
    for file in summary["files"]:
        found = root / summary["lake"] / file["path"]
        assert hashlib.sha256(found.read_bytes()).hexdigest() == file["sha256"]
    assert (root / summary["report"]).read_text("utf-8").startswith("<!doctype html>")


def test_the_days_figures_and_its_csv_are_what_a_person_expects(
    demonstration: tuple[dict[str, Any], str], root: Path, tmp_path: Path
) -> None:
    """No skew of hours, which snapshots with the time of the day before gave; five symbols at each time stamp."""
    summary, _ = demonstration
    lake, day = root / summary["lake"], date.fromisoformat(summary["date"])
    (path,) = lake.glob("certificate/*/*/*.json")
    streams = json.loads(path.read_bytes())["streams"]
    skews = [entry["skew_ms"] for feed in streams.values() for entry in feed["symbols"].values()]
    assert len(skews) == SYMBOLS + 1 and all(skew["max"] < A_MINUTE_MS for skew in skews)

    written, count = export_csv(lake, day, tmp_path)
    with written.open() as file:
        lines = Counter(row["timestamp"] for row in csv.DictReader(file))
    assert count == summary["expected"] and set(lines.values()) == {SYMBOLS}
