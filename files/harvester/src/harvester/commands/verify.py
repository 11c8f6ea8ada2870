"""harvester verify: check a lake against its manifests."""

import argparse
import json
from pathlib import Path

from harvester.config.settings import Settings
from harvester.reader.verify import describe, verify_lake


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lake", type=Path, metavar="LAKE_DIR", help="the directory that holds depth/ and manifest/")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace, settings: "Settings | None") -> int:
    """Verify a lake; 1 when something is wrong with it."""
    report = verify_lake(args.lake)
    if args.json:
        print(json.dumps(describe(report), indent=1))
        return 0 if report.ok else 1
    for day in report.days:
        taken = f", {day.removed} removed with proof" if day.removed else ""
        state = "FAILED" if day.problems else "ok"
        print(f"{day.date} {day.host}: {state}, {day.files} files, {day.bytes} bytes{taken}")
        for problem in day.problems:
            print(f"  {problem}")
    for path in report.unlisted:
        print(f"not in any manifest: {path}")
    return 0 if report.ok else 1
