"""`./inv demo --here`: the data path as ordinary processes ends with verified files and nothing left running."""

import hashlib
import json
import subprocess
from pathlib import Path

from harvester.ops.inventory import program

SESSION_SECONDS = 16
INTERVAL_SECONDS = 2
SYMBOLS = 5


def test_the_data_path_as_ordinary_processes(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "summary.json"
    command = [
        program("invoke"),
        "demo",
        "--here",
        "--down",
        "--seconds",
        str(SESSION_SECONDS),
        "--summary",
        str(target),
    ]

    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    assert "without a host" in result.stdout
    summary = json.loads(target.read_text("utf-8"))
    assert summary["expected"] == SYMBOLS * SESSION_SECONDS // INTERVAL_SECONDS
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
