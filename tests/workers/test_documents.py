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


def test_its_settings_and_its_jobs_are_accepted() -> None:
    [settings] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert validate(OverseerSettings, json.loads(settings)).workers[0].name == "colab"
    jobs = "".join(text if "jobs:" in text else f"{text}" for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
    found = validate(JobsFile, yaml.safe_load(jobs)).jobs
    assert [job.name for job in found] == ["workers", "training_check", "code_backup", "status_report", "drive_sync"]


def test_every_key_and_every_kind_is_explained() -> None:
    named = set(re.findall(r"`([a-z_.]+)`", TEXT))
    keys = {field.name for field in fields(WorkerSettings)} | {"data_dir", "alert_inbox", "rclone.program", "door.port"}
    assert keys - named == set()
    assert all(f"`{kind}`" in TEXT for kind in words().kinds)
