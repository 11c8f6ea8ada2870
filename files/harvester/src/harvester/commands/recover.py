"""harvester recover: put right what a dead recorder left in the journal, without starting a new one."""

import argparse

from harvester.base.clock import SystemClock
from harvester.config.settings import Settings
from harvester.journal.recovery import recover


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "The recorder does this itself at each start; it must not be running."


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Raises JournalError while a recorder is alive."""
    report = recover(settings.journal_dir, clock=SystemClock())
    print(
        f"sealed: {len(report.sealed)}, quarantined: {len(report.quarantined)}, damaged bytes: {report.damaged_bytes}"
    )
    for problem in report.problems:
        print(f"problem: {problem}")
    if report.problems:
        print("Correct that and run harvester recover again.")
    return 1 if report.problems else 0
