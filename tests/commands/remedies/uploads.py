"""Two hosts that were given one host_id, and upload the same day into one bucket."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto import mock_aws
from tests.commands.places import CLOSED, PENDING, Place, make_place
from tests.commands.remedies.running import Ending, run

BUCKET = {"bucket": "market-data", "region": "ap-south-1"}


class Twin:
    """One of them. Its journal's segments are pruned once the day is closed."""

    def __init__(self, root: Path, slots: int) -> None:
        root.mkdir()
        self.place: Place = make_place(root, slots)
        for path in self.place.lake.glob(f"*/date={CLOSED}"):
            shutil.rmtree(path)
        self.place.configure(upload=BUCKET)
        assert self.run("close", "--date", PENDING).code == 0
        for segment in self.place.journal.glob(f"{PENDING}/*"):
            segment.unlink()

    def run(self, *words: str) -> Ending:
        return run(self.place, ["harvester", *words])

    def rename(self, said: str) -> None:
        """What the message says, with a name of its own."""
        found = re.search(
            r"rename (\S+)/host=(\S+) to host=ITS-NEW-ID, move all other host=\S+ of date=(\S+) out", said
        )
        assert found
        self.place.configure(upload=BUCKET, host_id="h2")
        Path(found[1], f"host={found[2]}").rename(Path(found[1], "host=h2"))
        for path in self.place.lake.glob(f"*/date={found[3]}/host={found[2]}"):
            path.rename(self.place.root / f"moved-{path.parts[-3]}")


@contextmanager
def twins(root: Path) -> Iterator[tuple[Twin, Twin]]:
    with mock_aws():
        boto3.client("s3", region_name="ap-south-1").create_bucket(
            Bucket=BUCKET["bucket"], CreateBucketConfiguration={"LocationConstraint": BUCKET["region"]}
        )
        yield Twin(root / "one", 20), Twin(root / "two", 18)
