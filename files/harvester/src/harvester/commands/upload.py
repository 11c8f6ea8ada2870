"""`harvester upload`: bring closed days into the bucket, or look what is there now for clean-up."""

import argparse
from typing import TYPE_CHECKING

from harvester.base.clock import parse_date
from harvester.base.errors import HarvesterError
from harvester.deliver.protocol import DayOutcome
from harvester.deliver.receipts import now
from harvester.lake.layout import find_partitions
from harvester.upload.attestation import attest, write_attested
from harvester.upload.bucket import open_bucket, uploads_dir
from harvester.upload.retries import Retries
from harvester.upload.uploader import Uploader

if TYPE_CHECKING:
    from harvester.config.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--date", metavar="YYYY-MM-DD", help="upload this day only; default: every day not up yet")
    choice.add_argument("--attest", action="store_true", help="upload nothing; write what is verified there now")


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Upload, or attest; nothing to do where no bucket is configured."""
    day = parse_date(args.date) if args.date else None
    if settings.upload.bucket is None:
        print("No bucket is configured (upload.bucket), so nothing is uploaded.")
        return 0
    bucket, retries, folder = open_bucket(settings.upload), Retries(), uploads_dir(settings.data_dir)
    if args.attest:
        began = now()
        files = attest(settings.lake_dir, bucket, retries)
        path = write_attested(folder, settings.host_id, bucket, files, began)
        print(f"{len(files)} files are verified in {bucket.home}: {path}")
        return 0
    partitions = find_partitions(settings.lake_dir)
    if day:
        partitions = [partition for partition in partitions if partition.date == day]
        if not partitions:
            raise HarvesterError(f"--date {day}: that day has no manifest in {settings.lake_dir}. Close it first.")
    outcomes = Uploader(settings.lake_dir, folder, bucket, retries).upload(partitions)
    report(outcomes, bucket.home)
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if problems:
        raise HarvesterError(
            "\n".join([*problems, "The next run goes on; nothing is deleted here before it is verified."])
        )
    return 0


def report(outcomes: list[DayOutcome], home: str) -> None:
    """One line for each day that something happened to, and one for all the rest."""
    for outcome in outcomes:
        day = f"{outcome.partition.date} {outcome.partition.host}"
        if outcome.left_out:
            print(f"{day}: not uploaded, {outcome.left_out}. They are where clean-up's receipt says.")
        elif outcome.new or outcome.problems:
            state = "complete" if outcome.complete else f"not complete, {len(outcome.problems)} problems"
            print(f"{day}: {state}, {outcome.put} files and {outcome.bytes} bytes verified in {home}")
    print(f"{sum(outcome.complete for outcome in outcomes)} of {len(outcomes)} days are complete in {home}")
