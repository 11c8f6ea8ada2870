"""harvester cleanup: delete lake files that receipts prove to be verified somewhere else."""

import argparse
from pathlib import Path

from harvester.base.arguments import at_least
from harvester.base.clock import SystemClock
from harvester.base.market import to_local
from harvester.config.settings import Settings
from harvester.lake.cleanup import KEEP_DAYS, delete_files, judge_files
from harvester.lake.publish.files import locked
from harvester.lake.publish.receipts import accept, load_receipt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--plan", action="store_true", help="print what would be deleted and what is kept, and why")
    choice.add_argument("--apply", action="store_true", help="delete it")
    parser.add_argument(
        "--receipt",
        type=Path,
        metavar="FILE",
        action="append",
        required=True,
        help="proof of verified copies elsewhere; one for each place that upload.proof demands",
    )
    parser.add_argument(
        "--keep-days",
        type=at_least(0),
        default=KEEP_DAYS,
        metavar="N",
        help="keep the newest N days, and today (default 2)",
    )


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Clean up, or say what clean-up would do."""
    today = to_local(SystemClock().wall_ns()).date()
    receipt = accept([load_receipt(path) for path in args.receipt], settings.upload)
    with locked(settings.lake_dir):
        findings = judge_files(settings.lake_dir, settings.journal_dir, receipt, args.keep_days, today)
        for finding in findings:
            fate = f"keep, {finding.keep_because}" if finding.keep_because else "delete"
            print(f"{finding.entry.path}: {fate}")
        going = [finding for finding in findings if finding.keep_because is None]
        kept = len(findings) - len(going)
        if args.apply:
            freed = delete_files(settings.lake_dir, findings, receipt)
            print(f"{len(going)} files deleted, {freed} bytes freed, {kept} kept")
        else:
            size = sum(finding.entry.bytes for finding in going)
            print(f"{len(going)} files of {size} bytes would be deleted, {kept} kept")
    return 0
