"""A host and a laptop in one folder, on which any printed command of ours is run: `harvester` there, `./inv` here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from tests.commands.places import NOW_NS, Place
from tests.commands.remedies.running import Ending, invoke, run

from harvester.lake.layout import folder_of
from runbook.fleet import inventory
from runbook.fleet.inventory import Host
from runbook.pull.store import LocalStore
from runbook.tasks import here

REGION = "ap-south-1"


@dataclass
class World:
    """`place` is the host's directory, `checkout` the laptop's, with what was pulled; an `ssh` leads over."""

    place: Place
    checkout: Path
    wall_ns: int = NOW_NS
    """The host's clock."""

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.checkout / "pulled")

    def pulled(self, kind: str) -> Path:
        """A pulled file."""
        return next((self.store.lake / folder_of(kind)).glob("*/*/*.*"))

    def run(self, words: Sequence[str]) -> Ending:
        """A command as it is printed; {root} is the host's directory."""
        words = [word.format(root=self.place.root) for word in words]
        return run(self.place, words, self.wall_ns) if words[0] == "harvester" else invoke(words)

    def do(self, *words: str) -> Ending:
        """A command that must succeed."""
        ending = self.run(words)
        assert ending.code == 0, ending.said
        return ending

    def upload_to(self, name: str, **more: str) -> None:
        """Have the host upload to a new bucket."""
        where = {"LocationConstraint": REGION}
        boto3.client("s3", region_name=REGION).create_bucket(Bucket=name, CreateBucketConfiguration=where)
        self.place.configure(upload={"bucket": name, "region": REGION, **more})


def build(place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The laptop beside the host; its inventory has that one host."""
    checkout = folder / "checkout"
    checkout.mkdir()
    settings = {"data_dir": str(place.root / "data")}
    host = Host("lab1", "192.0.2.1", control_directory=folder / "c", variables={"harvester_settings": settings})
    monkeypatch.setattr(inventory, "load_hosts", lambda *_, **__: [host])
    monkeypatch.setattr(here, "ROOT", checkout)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return World(place, checkout)
