"""Why modules of our own stay (roles/README.md): faults of the collections' modules; one that goes fails here."""

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from tests.aws.account import ROOT, Cloud

from lab.aws.server import IMAGE
from runbook.fleet.keys import make_key

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
GROUP, KEY, PROFILE = "/a/group", "a-key", "a-profile"
CHECKED: dict[str, tuple[str, dict[str, Any]]] = {
    "bucket": ("amazon.aws.s3_bucket", {"name": "a-bucket-that-is-not-there"}),
    "lifecycle": (
        "community.aws.s3_lifecycle",
        {"name": "a-bucket-that-is-not-there", "expiration_days": 3, "prefix": "x/"},
    ),
    "logs": ("amazon.aws.cloudwatchlogs_log_group", {"log_group_name": GROUP, "retention": 7}),
    "wrong days": ("amazon.aws.cloudwatchlogs_log_group", {"log_group_name": f"{GROUP}/2", "retention": 1096}),
    "alarm's tags": ("amazon.aws.cloudwatch_metric_alarm", {"name": "a", "tags": {"Project": "x"}}),
    "alarm's actions": ("amazon.aws.cloudwatch_metric_alarm", {"name": "a", "actions_enabled": True}),
    "policy": (
        "amazon.aws.iam_policy",
        {"iam_type": "role", "iam_name": "nobody", "policy_name": "x", "policy_json": TRUST},
    ),
    "topic": ("community.aws.sns_topic", {"name": "a-topic-that-is-not-there"}),
    "key": ("amazon.aws.ec2_key", {"name": KEY, "key_material": "{{ lookup('file', key) }}"}),
    "profile": ("amazon.aws.ec2_instance", {"instance_ids": ["{{ host }}"], "iam_instance_profile": PROFILE}),
    "disk": ("amazon.aws.ec2_vol", {"id": "{{ disk }}", "zone": "ap-south-1a", "volume_type": "gp3", "tags": {}}),
}
NO_MODULE_FOR = ("scheduler", "budget", "dashboard", "function_url", "concurrency", "invoke_config", "console",
                 "public_access_block", "ebs_encryption", "create_analyzer")  # fmt: skip


@pytest.fixture(scope="module")
def tried(other: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each module answers in a check, by the names of CHECKED."""
    folder = tmp_path_factory.mktemp("modules")
    make_key(folder / "key", "test")
    ec2, logs = other.client("ec2"), other.client("logs")
    ec2.import_key_pair(KeyName=KEY, PublicKeyMaterial=(folder / "key.pub").read_bytes())
    disk = ec2.create_volume(AvailabilityZone="ap-south-1a", Size=1, VolumeType="gp3")["VolumeId"]
    other.client("iam").create_instance_profile(InstanceProfileName=PROFILE)
    host = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0][
        "InstanceId"
    ]
    for name in (GROUP, f"{GROUP}/2"):
        logs.create_log_group(logGroupName=name)
    tasks = [
        {"name": name, module: arguments, "check_mode": True, "ignore_errors": True}
        for name, (module, arguments) in CHECKED.items()
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    play["vars"] = {"key": str(folder / "key.pub"), "disk": disk, "host": host}
    (folder / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    command = [other.command()[0], "-i", "localhost,", str(folder / "play.json")]
    python = {"ANSIBLE_PYTHON_INTERPRETER": "auto_silent"}
    done = subprocess.run(command, cwd=ROOT, env={**other.variables(), **python}, capture_output=True, text=True)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return {task["task"]["name"]: task["hosts"]["localhost"] for task in report["plays"][0]["tasks"]}


def test_the_modules_for_buckets_have_no_check(tried: dict[str, Any]) -> None:
    for name in ("bucket", "lifecycle"):
        assert tried[name].get("skipped"), tried[name]
        assert "does not support check mode" in tried[name]["msg"]


def test_the_module_for_log_groups_writes_in_a_check_and_deletes_at_a_number_that_it_does_not_know(
    tried: dict[str, Any], other: Cloud
) -> None:
    groups = other.client("logs").describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]

    assert tried["logs"]["changed"]
    assert {group["logGroupName"]: group.get("retentionInDays") for group in groups}[GROUP] == 7
    assert "Would have deleted log group" in tried["wrong days"]["msg"]


def test_the_module_for_alarms_knows_neither_tags_nor_whether_an_alarm_acts(tried: dict[str, Any]) -> None:
    for name, option in (("alarm's tags", "tags"), ("alarm's actions", "actions_enabled")):
        assert f"Unsupported parameters for (amazon.aws.cloudwatch_metric_alarm) module: {option}" in tried[name]["msg"]


def test_what_the_roles_keep_from_modules_in_a_check_still_has_to_be_kept(tried: dict[str, Any], other: Cloud) -> None:
    assert tried["policy"]["failed"] and tried["topic"]["failed"]
    assert tried["key"]["changed"] and tried["disk"]["changed"] and tried["profile"]["changed"]
    assert other.client("ec2").describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"] != []


def test_no_module_exists_for_the_rest() -> None:
    installed = Path(sysconfig.get_path("purelib"), "ansible_collections")
    modules = [path.stem for path in installed.glob("*/aws/plugins/modules/*.py")]

    assert {"iam_role", "sns_topic"} <= set(modules)
    assert [name for name in modules if any(word in name for word in NO_MODULE_FOR)] == []
