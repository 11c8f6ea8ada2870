"""Configuration and calendars of the golden days. Nothing in them depends on where they lie."""

import json
from pathlib import Path
from typing import Any

ROOT = Path("/proc/self/cwd")
"""The working directory, by a name that is the same wherever it is: paths in files and messages are fixed."""
SBIN, INFY, NIFTY = "NSE:SBIN-EQ", "NSE:INFY-EQ", "NSE:NIFTY50-INDEX"
COMMON: dict[str, Any] = {
    "host_id": "lab1",
    "data_dir": f"{ROOT}/data",
    "feeds": ["fyers-rest", "fyers-hsm", "fyers-tbt"],
    "broker": {"app_id": "ABCDE12345-100"},
    "calendar": {"file": f"{ROOT}/calendar.json", "phases": ["continuous"]},
}
SESSIONS = [["10:00:00", "10:01:20"], ["10:02:00", "10:02:20"], ["10:03:00", "10:03:40"]]
"""Windows of the recorder's day."""
RECORDER: dict[str, Any] = {
    "symbols": [SBIN, INFY],
    "broker": {"app_id": "ABCDE12345-100", "api_url": "https://broker.golden", "public_url": "https://public.golden"},
    "poll": {"interval_seconds": 2.0, "timeout_seconds": 1.5},
    "hsm": {
        "symbols": [SBIN, INFY],
        "index_symbols": [NIFTY],
        "redundant": True,
        "mute_seconds": 5.0,
        "url": "wss://broker.golden/hsm",
    },
    "tbt": {"symbols": [SBIN, "NSE:RELIANCE-EQ"], "mute_seconds": 5.0},
    "connect_before_seconds": 5,
    "journal": {"sync_interval_ms": 10_000, "segment_seconds": 20},
    "token": {"handover": f"{ROOT}/access-token", "file": f"{ROOT}/credential"},
    "status_file": f"{ROOT}/status.json",
    "clock_log": f"{ROOT}/tracking.log",
    "disk_reserve_bytes": 1 << 20,
}


def write_calendar(path: Path, date: str, windows: list[list[str]]) -> None:
    """A calendar file with one session."""
    phases = {"continuous": windows}
    content = {
        "timezone": "Asia/Kolkata",
        "market": "test",
        "valid_until": "2099-12-31",
        "phase_rules": [{"from": "2090-01-01", "to": None, "phases": phases, "reference": "test"}],
        "special_sessions": [
            {"date": date, "kind": "test", "phases": phases, "status": "confirmed", "reference": "test"}
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
