"""`./inv demo --here`: the data path as ordinary processes ends with verified files and nothing left running."""

import hashlib
from pathlib import Path
from typing import Any

SYMBOLS = 5
POLLS = 8


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
