"""harvester prune-journal: delete sealed segments of which the lake provably holds a copy."""

import argparse

from harvester.backfill.order import journal_of
from harvester.base.clock import SystemClock
from harvester.base.market import to_local
from harvester.config.settings import Settings
from harvester.lake.prune import delete_segments, judge_segments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--plan", action="store_true", help="print what would be deleted and what is kept, and why")
    choice.add_argument("--apply", action="store_true", help="delete it")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Prune, or say what pruning would do."""
    today = to_local(SystemClock().wall_ns()).date()
    findings = judge_segments(settings.journal_dir, settings.lake_dir, today)
    findings += judge_segments(journal_of(settings.data_dir), settings.lake_dir)
    for finding in findings:
        fate = f"keep, {finding.keep_because}" if finding.keep_because else "delete"
        print(f"{finding.path.parent.name}/{finding.path.name}: {fate}")
    going = [finding for finding in findings if finding.keep_because is None]
    if args.apply:
        print(
            f"{len(going)} segments deleted, {delete_segments(findings)} bytes freed, {len(findings) - len(going)} kept"
        )
    else:
        size = sum(finding.bytes for finding in going)
        print(f"{len(going)} segments of {size} bytes would be deleted, {len(findings) - len(going)} kept")
    return 0
