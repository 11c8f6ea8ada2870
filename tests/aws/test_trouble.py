"""What can be wrong with account, answers and network: one paragraph each, never a traceback."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.aws.account import ANSWERS, NAMES, ROOT, Cloud

from harvester.base.errors import ConfigError
from lab.aws.server import ACCOUNT
from runbook.aws import allow, configure, questions
from runbook.aws.account import read_account, refuse_plain_text
from runbook.aws.bucket import bucket_exists


def test_another_account_is_refused_before_anything_changes(other: Cloud) -> None:
    with pytest.raises(ConfigError, match="belong to account 123456789012, and aws_account_id says 999999999999"):
        read_account(other, NAMES, expected_account="999999999999", instance_type="t3.micro")


def test_a_secret_in_plain_text_is_refused_and_named(other: Cloud) -> None:
    ssm, secrets = other.client("ssm"), [NAMES.parameter("pin"), NAMES.parameter("page_key")]
    ssm.put_parameter(Name=secrets[1], Value="k", Type="SecureString")
    refuse_plain_text(ssm, NAMES.parameter_prefix, secrets)

    ssm.put_parameter(Name=secrets[0], Value="0000", Type="String")
    with pytest.raises(ConfigError, match=f"^{secrets[0]} is stored as plain text"):
        refuse_plain_text(ssm, NAMES.parameter_prefix, secrets)
    with pytest.raises(ConfigError, match=f"^{secrets[0]} is stored as plain text"):
        read_account(other, NAMES, instance_type="t3.micro")


def test_a_bucket_of_somebody_else_is_told_from_one_that_is_not_there(other: Cloud) -> None:
    class Foreign:
        exceptions = other.client("s3").exceptions

        def head_bucket(self, Bucket: str) -> None:  # boto3's spelling
            answer: Any = {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "HeadBucket")

    assert not bucket_exists(other.client("s3"), "not-there")
    with pytest.raises(ConfigError, match="taken by another account"):
        bucket_exists(Foreign(), "theirs")


def test_a_run_without_credentials_ends_in_one_paragraph(other: Cloud, tmp_path: Path) -> None:
    inventory = tmp_path / "all.yml"
    everything = {"aws_account_managed": True, "aws_account_region": "ap-south-1", "aws_host_names": ["x"]}
    inventory.write_text(json.dumps({"all": {"vars": everything}}), encoding="utf-8")
    environment = {name: value for name, value in other.variables().items() if not name.startswith("AWS_")}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    environment |= {"AWS_CONFIG_FILE": "/dev/null", "ANSIBLE_STDOUT_CALLBACK": "default"}
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", str(inventory), "playbooks/provision.yml"]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "No AWS credentials were found" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("region", "mumbai", "ap-south-1"),
        ("environment", "Prod", "lower-case"),
        ("symbols", "SBIN", "NSE:SBIN-EQ"),
        ("symbols", "NSE:SBIN-EQ,NSE:SBIN-EQ", "twice"),
        ("app_id", "abc", "API dashboard"),
        ("email", "me", "e-mail"),
        ("cap_dollars", "-1", "US dollars"),
        ("connection", "telnet", "session-manager"),
        ("source", "0.0.0.0/0", "203.0.113.7/32"),
        ("source", "home", "203.0.113.7/32"),
        ("hosts", "0", "write 1"),
    ],
)
def test_a_wrong_answer_is_refused_at_once(key: str, value: str, said: str) -> None:
    [question] = [one for one in questions.QUESTIONS if one.key == key]

    with pytest.raises(ConfigError, match=said):
        question.check(value, {**ANSWERS, key: value})


def test_questions_are_asked_again_until_each_answer_passes(
    other: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in other.environment.items():
        monkeypatch.setenv(name, value)
    typed = {question.text: [ANSWERS[question.key]] for question in questions.QUESTIONS}
    typed["E-mail address for alerts"] = ["nobody", ANSWERS["email"]]
    said: list[str] = []

    answers = configure.ask_all(lambda text, _: typed[text].pop(0), said.append)

    assert answers == ANSWERS
    assert "nobody" in said[0] and said[1:] == [f"{questions.QUESTIONS[-1].text}: {ANSWERS['redirect_uri']}"]
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(ANSWERS), encoding="utf-8")
    assert configure.read_answers(file) == ANSWERS
    assert configure.account_of(answers) == ACCOUNT
    file.write_text(json.dumps({**ANSWERS, "password": "x"}), encoding="utf-8")
    with pytest.raises(ConfigError, match="password is not asked for"):
        configure.read_answers(file)


def test_allow_me_lets_one_network_in_and_the_former_out(
    other: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in other.environment.items():
        monkeypatch.setenv(name, value)
    group = other.client("ec2").create_security_group(GroupName=NAMES.security_group, Description="x")["GroupId"]
    here: Any = type("Here", (), {"account": other, "names": NAMES})

    assert allow.allow(here, "203.0.113.7/32") == []
    assert allow.allow(here, "203.0.113.9/32") == ["203.0.113.7/32"]
    assert allow.allow(here, "203.0.113.9/32") == []

    rules = other.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert [one["CidrIp"] for rule in rules for one in rule["IpRanges"]] == ["203.0.113.9/32"]
    assert allow.allow(here, "2001:db8::7/128") == ["203.0.113.9/32"]
    assert allow.allow(here, "203.0.113.9/32") == ["2001:db8::7/128"]
    assert allow.remember(other.inventory, "203.0.113.9/32")
    assert 'aws_host_ssh_sources: ["203.0.113.9/32"]' in (other.inventory / "group_vars/all.yml").read_text("utf-8")
    assert not allow.remember(tmp_path, "203.0.113.9/32")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.0.0.0/8", "203.0.113.7/24", "::/0", "me"])
def test_allow_me_refuses_what_is_no_small_network(network: str) -> None:
    with pytest.raises(ConfigError, match=r"203\.0\.113\.7/32"):
        allow.check_network(network)
