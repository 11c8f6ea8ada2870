"""What docs/workers.md shows is what the models take."""

import json
import re

import yaml
from msgspec.structs import fields
from tests.conftest import ROOT

from harvester.base.validation import validate
from harvester.jobs.model import JobsFile
from harvester.workers.repair.kinds import words
from harvester.workers.settings import OverseerSettings, WorkerSettings

TEXT = (ROOT / "docs/workers.md").read_text("utf-8")


def test_its_inventory_is_accepted() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    said = yaml.safe_load(text)
    known = {
        name
        for role in ("rclone", "overseer")
        for name in yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text("utf-8"))
    }
    assert set(said) <= known
    settings = {"host_id": "h1", "rclone": {"secrets": said["rclone_secrets"]}} | said["overseer_settings"]
    assert validate(OverseerSettings, settings).workers[0].name == "colab"


def test_what_the_roles_give_a_host_is_accepted() -> None:
    folder = ROOT / "tests/golden/expected/host/overseer/etc/harvester"
    settings = validate(OverseerSettings, json.loads((folder / "overseer.json").read_bytes()))
    assert (settings.workers[0].name, settings.rclone.secrets["drive"]["token"][:4]) == ("colab", "ssm:")
    jobs = validate(JobsFile, json.loads((folder / "jobs.json").read_bytes())).jobs
    assert [job.name for job in jobs] == ["status-report", "sync-logs-up", "training-check", "code-backup"]
    assert {job.name: job.user for job in jobs if job.user != "harvester-jobs"} == {
        "status-report": "harvester-overseer",
        "sync-logs-up": "harvester-overseer",
        "code-backup": "trader",
    }


def test_every_key_and_every_kind_is_explained() -> None:
    named = set(re.findall(r"`([a-z_.]+)`", TEXT))
    keys = {field.name for field in fields(WorkerSettings)} | {"data_dir", "alert_inbox", "rclone.program", "door.port"}
    assert keys - named == set()
    assert all(f"`{kind}`" in TEXT for kind in words().kinds)
