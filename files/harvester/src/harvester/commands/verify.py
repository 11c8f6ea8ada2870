"""harvester verify: check a lake against its manifests."""

import argparse
import json
import os
import time
from pathlib import Path

from harvester.base.arguments import at_least
from harvester.base.errors import ConfigError
from harvester.config.file import find_lake
from harvester.config.settings import Settings
from harvester.lake.layout import MANIFEST
from harvester.reader.verify import describe, verify_lake

DAY_SECONDS = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "lake",
        type=Path,
        nargs="?",
        metavar="LAKE_DIR",
        help="the directory that holds manifest/ and the tables; default: that of the host's configuration",
    )
    parser.add_argument(
        "--every-days",
        type=at_least(0),
        metavar="DAYS",
        help="do nothing when $STATE_DIRECTORY says that all was well less than so many days ago; for a timer",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def _stamp(every_days: int | None) -> Path | None:
    """Where a timer's runs remember the last good one. Raises ConfigError outside a service."""
    if every_days is None:
        return None
    if not os.environ.get("STATE_DIRECTORY"):
        raise ConfigError("--every-days is for the timer's service, whose $STATE_DIRECTORY keeps when it ran last.")
    return Path(os.environ["STATE_DIRECTORY"]) / "verified"


def run(args: argparse.Namespace, settings: "Settings | None") -> int:
    """Verify a lake; 1 when something is wrong with it."""
    stamp = _stamp(args.every_days)
    if stamp and stamp.exists() and time.time() - stamp.stat().st_mtime < args.every_days * DAY_SECONDS:
        print("Verified not long ago, nothing to do.")
        return 0
    lake = args.lake or find_lake(args.config)
    if stamp and not (lake / MANIFEST).exists():
        print("No day is closed yet.")
        return 0
    report = verify_lake(lake)
    if stamp and report.ok:
        stamp.touch()
    if args.json:
        print(json.dumps(describe(report), indent=1))
        return 0 if report.ok else 1
    for day in report.days:
        taken = f", {day.removed} removed with proof" if day.removed else ""
        state = "FAILED" if day.problems else "files ok, journal damaged" if day.damage else "ok"
        print(f"{day.date} {day.host}: {state}, {day.files} files, {day.bytes} bytes{taken}")
        for problem in day.problems:
            print(f"  {problem}")
        for sentence in day.damage:
            print(f"  damage: {sentence}")
        if day.problems and day.files and (lake.parent / "journal").is_dir():  # on a host, and its manifest is sound
            print(f"  harvester close --date {day.date} --rebuild builds it again from its segments.")
    for path in report.unlisted:
        print(f"not in any manifest: {path}")
    if report.superseded:
        print(f"{len(report.superseded)} files of former builds are kept, such as {report.superseded[0]}")
    return 0 if report.ok else 1
