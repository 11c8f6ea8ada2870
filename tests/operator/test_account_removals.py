"""What is removed from an account, stopped or replaced in it: in which order, and what others have there stays."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from services import Clients, Service

from harvester.base.aws_names import Names
from runbook.aws import sleepers, teardown
from runbook.aws.host_keys import forget
from runbook.aws.schedules import ensure_schedules, remove_group

NAMES = Names("test")
TAGS = [{"Key": key, "Value": value} for key, value in NAMES.tags.items()]


def test_a_host_goes_unprotected_and_its_end_is_waited_for_because_its_group_can_go_only_then() -> None:
    ec2 = Service()

    teardown.terminate(ec2, "i-1")

    assert [name for name, _ in ec2.calls] == [
        "modify_instance_attribute",
        "terminate_instances",
        "wait instance_terminated",
    ]
    assert ec2.calls[0][1] == {"InstanceId": "i-1", "DisableApiTermination": {"Value": False}}
    assert ec2.calls[1][1] == ec2.calls[2][1] == {"InstanceIds": ["i-1"]}


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_bucket_goes_after_each_version_each_mark_of_a_deletion_and_each_unfinished_upload(
    is_locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a thousand at once, which is what AWS takes."""
    monkeypatch.setattr(teardown.bucket, "read_lock", lambda *_: (is_locked, 0))
    versions = [{"Key": f"k{number}", "VersionId": "1"} for number in range(teardown.DELETE_AT_ONCE + 2)]
    marks = [{"Key": "gone", "VersionId": "m"}, {"Key": "gone", "VersionId": "n"}]
    uploads = [{"Key": "half", "UploadId": "u"}, {"Key": "half", "UploadId": "v"}]
    s3 = Service(
        list_object_versions={"Versions": versions, "DeleteMarkers": marks}, list_multipart_uploads={"Uploads": uploads}
    )

    teardown.empty_and_remove(s3, "b")

    removed = [told for name, told in s3.calls if name == "delete_objects"]
    assert [each for told in removed for each in told["Delete"]["Objects"]] == [*versions, *marks]
    assert max(len(told["Delete"]["Objects"]) for told in removed) == teardown.DELETE_AT_ONCE
    assert {told.get("BypassGovernanceRetention", False) for told in removed} == {is_locked}
    assert s3.calls[-3:] == [
        *(("abort_multipart_upload", {"Bucket": "b", **each}) for each in uploads),
        ("delete_bucket", {"Bucket": "b"}),
    ]


def test_a_role_goes_after_all_that_hangs_on_it_and_an_address_after_it_was_taken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"profiles": ["p"], "policies": ["q"], "attached": ["arn:r"]}
    monkeypatch.setattr(teardown, "read_role", lambda _, name: found if name == "mine" else None)
    iam, ec2 = Service(), Service()
    teardown.remove_role(iam, "mine")
    teardown.remove_role(iam, "of nobody")
    teardown.release_address(ec2, {"AllocationId": "a-1", "AssociationId": "s-1"})
    teardown.release_address(ec2, {"AllocationId": "a-2"})

    assert [name for name, _ in iam.calls] == [
        "remove_role_from_instance_profile",
        "delete_instance_profile",
        "delete_role_policy",
        "detach_role_policy",
        "delete_role",
    ]
    assert ec2.calls == [
        ("disassociate_address", {"AssociationId": "s-1"}),
        ("release_address", {"AllocationId": "a-1"}),
        ("release_address", {"AllocationId": "a-2"}),
    ]


@pytest.mark.parametrize(("tags", "goes"), [(NAMES.tags, True), (NAMES.tags | {"by": "a person"}, True), ({}, False)])
def test_an_analyzer_of_our_name_that_has_not_our_tags_is_somebody_elses(
    tags: dict[str, str], goes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teardown.bucket, "bucket_exists", lambda *_: False)
    analyzers = [{"name": NAMES.trail, "type": "ACCOUNT", "tags": tags}, {"name": "o", "type": "ACCOUNT", "tags": {}}]
    trails = Service(list_trails={"Trails": [{"Name": f"{NAMES.trail}-2"}, {"Name": f"a-{NAMES.trail}"}]})
    clients = Clients(cloudtrail=trails, accessanalyzer=Service(list_analyzers={"analyzers": analyzers}), s3=Service())

    doomed = [(each.kind, each.name) for each in teardown._baseline(clients, NAMES, "123456789012")]

    assert doomed == ([("analyzer", NAMES.trail)] if goes else [])


def schedule(name: str, expression: str = "rate(1 hour)") -> dict[str, Any]:
    return {"name": name, "description": "d", "expression": expression, "target": {"Arn": name}}


def as_it_is(expression: str, target: str) -> dict[str, Any]:
    is_in = {"ScheduleExpression": expression, "ScheduleExpressionTimezone": "Asia/Kolkata", "State": "ENABLED"}
    return is_in | {"Description": "d", "Target": {"Arn": target}}


@pytest.mark.parametrize("dry", [False, True])
def test_a_group_has_exactly_the_schedules_that_are_wanted(dry: bool) -> None:
    there = {"same": as_it_is("rate(1 hour)", "same"), "other": as_it_is("rate(2 hours)", "other")}
    there |= {"off": as_it_is("rate(1 hour)", "off") | {"State": "DISABLED"}, "old": as_it_is("rate(1 hour)", "old")}
    scheduler = Service(
        get_schedule_group={"Arn": "arn"},
        list_tags_for_resource={"Tags": [{"Key": "a", "Value": "person's"}]},
        list_schedules={"Schedules": [{"Name": name} for name in there]},
        get_schedule=lambda Name, **_: there[Name],  # AWS's name
    )
    wanted = [schedule(name) for name in ("same", "other", "off", "new")]

    outcome = ensure_schedules(
        Clients(scheduler=scheduler), "g", wanted, {"our": "tag"}, timezone="Asia/Kolkata", dry=dry
    )

    done = [(name, told.get("Name")) for name, told in scheduler.calls if not name.startswith(("get_", "list_"))]
    expected: list[tuple[str, str | None]] = [
        ("tag_resource", None),
        ("delete_schedule", "old"),
        ("update_schedule", "other"),
        ("update_schedule", "off"),
        ("create_schedule", "new"),
    ]
    assert done == ([] if dry else expected)
    assert outcome.changed and outcome.after["group"] == {"a": "person's", "our": "tag"}


def test_a_group_goes_after_its_schedules() -> None:
    scheduler = Service(
        get_schedule_group={"Arn": "arn"},
        list_tags_for_resource={"Tags": []},
        list_schedules={"Schedules": [{"Name": "a"}, {"Name": "b"}]},
    )
    remove_group(scheduler, "g")

    assert [name for name, _ in scheduler.calls][-3:] == ["delete_schedule", "delete_schedule", "delete_schedule_group"]


@pytest.mark.parametrize("fails", [False, True])
def test_hosts_that_slept_or_went_to_sleep_sleep_again_whatever_became_of_what_woke_them(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sleepers, "reaching", lambda _: nullcontext())
    states = {"m-1": "running", "m-2": "stopped", "m-3": "stopping"}

    def instances(Filters: list[dict[str, Any]]) -> list[dict[str, Any]]:  # AWS's name
        assert [each for each in Filters if each["Name"].startswith("tag:")] == [
            {"Name": f"tag:{key}", "Values": [value]} for key, value in NAMES.tags.items()
        ]
        [asked] = [each["Values"] for each in Filters if each["Name"] == "instance-state-name"]
        return [
            {"InstanceId": f"i-{name}", "Tags": [*TAGS, {"Key": "Name", "Value": name}]}
            for name, state in states.items()
            if state in asked
        ]

    ec2 = Service(describe_instances=lambda **told: {"Reservations": [{"Instances": instances(**told)}]})
    here: Any = type("Here", (), {"account": Clients(ec2=ec2), "names": NAMES})

    with pytest.raises(KeyError) if fails else nullcontext(), sleepers.left_asleep(here) as asleep:
        assert asleep == ["m-2", "m-3"] and not ec2.calls
        states |= dict.fromkeys(states, "running")
        if fails:
            raise KeyError("what woke them")
    assert ec2.calls == [("stop_instances", {"InstanceIds": ["i-m-2", "i-m-3"]})]


def test_the_keys_of_one_address_are_forgotten_and_those_of_one_that_begins_like_it_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    forget(file, "192.0.2.1")
    file.write_text("192.0.2.1 ssh-rsa A\n192.0.2.10 ssh-rsa B\n# 192.0.2.1\n\n192.0.2.1 ssh-ed25519 C\n")
    forget(file, "192.0.2.1")

    assert file.read_text() == "192.0.2.10 ssh-rsa B\n# 192.0.2.1\n\n"
