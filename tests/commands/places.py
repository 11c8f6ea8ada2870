"""A host's directory in which every command of `harvester` has something to do, and the ways in which it is spoilt."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from typing import Any

import boto3
from tests.journals import DAY, OPEN_NS, HandClock, HandRecorder
from tests.operator.support.made_lake import LakeMaker
from tests.recorder.fakes import make_config, make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.layout import DEPTH, folder_of
from harvester.lake.manifest import describe_file

CLOSED, PENDING, UNKNOWN = "2026-11-20", DAY.isoformat(), "2031-01-01"
NOW_NS = OPEN_NS + 8 * 3_600 * NS_PER_SECOND
"""On the day that is to be closed, after its session."""
SLOTS = 20
NOBODY = 65_534
DEAD = "http://127.0.0.1:9"
"""Nothing listens on the port of `discard`."""
BUCKET = {"bucket": "b-bucket", "endpoint_url": DEAD, "region": "ap-south-1"}


@dataclass
class Place:
    """A host's directory: configuration, calendar, token, receipt, a closed day in the lake, one to close."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.json"

    @property
    def calendar(self) -> Path:
        return self.root / "calendar.json"

    @property
    def journal(self) -> Path:
        return self.root / "data/journal"

    @property
    def lake(self) -> Path:
        return self.root / "data/lake"

    @property
    def receipt(self) -> Path:
        return self.root / "receipt.json"

    @property
    def table(self) -> Path:
        """The depth of the closed day."""
        return next(self.lake.glob(f"{folder_of(DEPTH)}/date={CLOSED}/*/*.parquet"))

    @property
    def manifest(self) -> Path:
        return next(self.lake.glob(f"manifest/date={CLOSED}/*/*.json"))

    @property
    def segment(self) -> Path:
        """The segment with the data of the day that is to be closed."""
        return min(self.journal.glob("*/*.seg"))

    def configure(self, **changes: Any) -> None:
        """Write the configuration anew, with these changes."""
        content = make_config(
            self.root,
            host_id="lab1",
            broker={"public_url": "https://127.0.0.1:9", "api_url": "https://127.0.0.1:9"},
            calendar={"file": str(self.root / "calendar.json")},
            alerts={
                "channels": f"file:{self.root}/channels",
                "memory": str(self.root / "memory"),
                "inbox": str(self.root / "inbox"),
                "log_dir": str(self.root / "inbox"),
                "ports": str(self.root / "ports"),
            },
        )
        for key, value in changes.items():
            content[key] = content.get(key, {}) | value if isinstance(value, dict) else value
        self.config.write_text(json.dumps(content), encoding="utf-8")


def make_calendar(path: Path) -> None:
    """Each weekday has a session of SLOTS polls."""
    rule = {"from": "2026-01-01", "to": "2026-12-31", "phases": {"continuous": [["09:15:00", "09:16:40"]]}}
    content = {"timezone": "Asia/Kolkata", "market": "test", "valid_until": "2026-12-31"}
    path.write_text(json.dumps(content | {"phase_rules": [rule | {"reference": "test"}]}), encoding="utf-8")


def make_overseer(root: Path) -> None:
    """A worker whose mailbox is empty, and what its overseer needs."""
    for name in ("box", "workers"):
        (root / name).mkdir()
    worker = {"name": "colab", "mailbox": f"{root}/box"}
    content = {"host_id": "lab1", "data_dir": f"{root}/workers", "alert_inbox": f"{root}/inbox", "workers": [worker]}
    (root / "overseer.json").write_text(json.dumps(content), encoding="utf-8")
    (root / "door-tokens").write_text(f"colab {'0123456789abcdef' * 4}\n", encoding="utf-8")


def make_place(root: Path, polled: int = SLOTS) -> Place:
    """A place in which all is well; of the day that is to be closed so many slots were polled."""
    place = Place(root)
    LakeMaker(place.lake, raw_bytes=1_000).add_day(CLOSED)
    make_calendar(root / "calendar.json")
    place.configure()
    (root / "inbox").mkdir()
    (root / "jobs.json").write_text('{"jobs": [{"name": "copy", "when": "close+30m", "command": ["true"]}]}')
    (root / "database.json").write_text('{"database": "x", "place": "s3://bucket/", "tables": [{"name": "s.t"}]}')
    make_overseer(root)
    recorder = HandRecorder(place.journal, HandClock())
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(polled))
    recorder.close_window(SLOTS)
    recorder.stop()
    files = [
        describe_file(place.lake, path, None) for path in sorted(place.lake.glob("*/*/*/*.*")) if path != place.manifest
    ]
    files = [{"path": each.path, "sha256": each.sha256} for each in files]
    place.receipt.write_text(json.dumps({"format": 1, "files": files}), encoding="utf-8")
    for name in ("credential", "incoming"):
        (root / name).write_text(make_token(4_000_000_000) + "\n", encoding="utf-8")
        (root / name).chmod(0o600)
    return place


def commands(place: Place) -> dict[str, list[str]]:
    """The arguments of each command, by its name in the table."""
    overseer = ["--settings", f"{place.root}/overseer.json"]
    return {
        "run": ["run"],
        "health": ["health"],
        "due": ["due"],
        "watch": ["watch"],
        "sessions": ["sessions", "--date", PENDING],
        "token-agent": ["token-agent"],
        "token-check": ["token-check"],
        "token-file": ["token-file", "--file", f"{place.root}/credential", "--take", f"{place.root}/incoming"],
        "secret-file": ["secret-file", f"file:{place.root}/credential", f"{place.root}/secret", "--name", "pin"],
        "remind": ["remind"],
        "job run": ["job", "run", "copy"],
        "job ended": ["job", "ended", "copy"],
        "job now": ["job", "now", "copy"],
        "job list": ["job", "list"],
        "job check": ["job", "check", f"{place.root}/jobs.json"],
        "application within": ["application", "within"],
        "workers check": ["workers", "check", f"{place.root}/overseer.json"],
        "workers check-tokens": ["workers", "check-tokens", f"{place.root}/door-tokens"],
        "workers look": ["workers", *overseer, "look"],
        "workers show": ["workers", *overseer, "show"],
        "workers report": ["workers", *overseer, "report", f"{place.root}/workers/infrastructure_status.json"],
        "workers restart": ["workers", *overseer, "restart", "colab"],
        "workers pause": ["workers", *overseer, "pause", "colab"],
        "workers resume": ["workers", *overseer, "resume", "colab"],
        "workers undo-repair": ["workers", *overseer, "undo-repair", "colab"],
        "live": ["live"],
        "push-code": ["push-code", str(place.root)],
        "alert": ["alert", "--source", "script", "No space left"],
        "send-alerts": ["send-alerts"],
        "notify-test": ["notify-test"],
        "renew": ["renew"],
        "config check": ["config", "check"],
        "config schema": ["config", "schema"],
        "config show": ["config", "show"],
        "config topics": ["config", "topics"],
        "recover": ["recover"],
        "build": ["build", "--due"],
        "so-far": ["so-far", "--output", f"{place.root}/so-far"],
        "close": ["close"],
        "export": ["export", "--csv", "--date", CLOSED, "--output", f"{place.root}/out"],
        "verify": ["verify", str(place.lake)],
        "athena-ddl": ["athena-ddl", "--bucket", "b", "--host", "lab1"],
        "prune-journal": ["prune-journal", "--apply"],
        "upload": ["upload"],
        "deliver": ["deliver"],
        "deliver-raw": ["deliver-raw"],
        "deliver-rows": ["deliver-rows", "--json"],
        "compare-candles": ["compare-candles", "--date", CLOSED],
        "backfill": ["backfill", "--since", "2026-11-02"],
        "build-history": ["build-history"],
        **{
            f"database {action}": ["database", action]
            for action in ("daily", "full", "deliver", "pulled", "restore-test")
        },
        "database check": ["database", "check", f"{place.root}/database.json"],
        "metrics": ["metrics"],
        "send-logs": ["send-logs"],
        "cleanup": ["cleanup", "--apply", "--keep-days", "0", "--receipt", str(place.receipt)],
    }


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow: each write fails, as on a full disk; SIGXFSZ is ignored by Python."""
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, before)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root reads and writes everything, so files that are closed to others need another user."""
    if os.geteuid() != 0:
        yield
        return
    boto3.client("s3", region_name="ap-south-1")  # imports late what NOBODY may not read where Python is root's own
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def give(root: Path) -> None:
    """Have the place belong to that user."""
    if os.geteuid() == 0:
        for path in [root, *root.rglob("*")]:
            shutil.chown(path, NOBODY, NOBODY)
