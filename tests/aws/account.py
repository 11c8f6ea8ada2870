"""An AWS account of its own for a test: moto, an inventory that `configure` wrote, runs of the playbook."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

import boto3

from harvester.base.aws_names import FUNCTIONS, ROLES, Names
from lab.aws.console import LATE
from lab.aws.server import ACCOUNT, REGION
from runbook.aws import configure
from runbook.aws.account import find_instances, find_key, read_role
from runbook.aws.alarms import read_alarms
from runbook.aws.bucket import bucket_exists, read_bucket
from runbook.aws.budget import REGION as BUDGETS_REGION
from runbook.aws.budget import read_budget
from runbook.aws.functions import DOOR, OF_FEED, read_function
from runbook.aws.log_groups import read_log_group
from runbook.aws.outcome import as_tag_dict, pages
from runbook.aws.schedules import read_group, read_schedules
from runbook.aws.session import Account
from runbook.fleet.environment import STAND_IN_KEYS
from runbook.fleet.keys import make_key
from runbook.fleet.playbook import mitogen_strategies

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "test"
NAMES = Names(ENVIRONMENT)
DEPLOYED = [name for name in FUNCTIONS if name not in (*OF_FEED, DOOR)]
"""The functions of an account with hosts, no price feed, and no door for workers."""
ANSWERS = {
    "profile": "",
    "region": REGION,
    "environment": ENVIRONMENT,
    "symbols": "NSE:SBIN-EQ,NSE:INFY-EQ",
    "app_id": "ABCDE12345-100",
    "email": "ops@example.com",
    "cap_dollars": "20",
    "connection": "ssh",
    "source": "203.0.113.7/32",
    "hosts": "1",
    "client_id": "XX00000",
    "redirect_uri": "http://127.0.0.1:8080/",
}
METADATA = ("HttpEndpoint", "HttpTokens", "HttpPutResponseHopLimit")
IDS = re.compile(r"\b(i|sg|vol|vpce|rtb|eipalloc|eipassoc|ami|subnet|vpc|key|snap|eni)-[0-9a-f]{8,17}\b")


@dataclass
class Run:
    """One run of the playbook: exit code, changed and failed tasks by name, seconds."""

    code: int
    changed: list[str]
    failed: dict[str, str]
    seconds: float
    results: dict[str, Any] = field(repr=False, default_factory=dict)


class Cloud:
    """moto in a process of its own, and the inventory that speaks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))},
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            LATE: "1",
            **STAND_IN_KEYS,
        }
        command = [sys.executable, "-m", "lab.aws.server", "--host", "127.0.0.1", "--port", str(self.port)]
        with (folder / "moto.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        self._wait()
        self.inventory = folder / "aws"
        copytree(ROOT / "inventory" / "aws", self.inventory)
        self.configure()

    def configure(self, **different: str) -> None:
        """Write the inventory anew, as ./inv configure does."""
        answers = {**ANSWERS, **different}
        key = self.folder / "key"
        if not key.exists():
            make_key(key, "test")
        configure.write(answers, self.inventory, ACCOUNT, key)
        with (self.inventory / "group_vars" / "all.yml").open("a", encoding="utf-8") as file:
            file.write(f"\naws_endpoint_url: {self.endpoint}\naws_host_known_hosts_file: {self.folder}/known_hosts\n")
            file.write(f"aws_functions_build_dir: {self.folder}/functions\n")
            file.write("broker_refresh: true\n")

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of this account, also for the functions under test."""
        return boto3.client(
            service,
            region_name=region or REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def command(self, *arguments: str) -> list[str]:
        """The argument list of a run of provision.yml."""
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, "--inventory", str(self.inventory), "playbooks/provision.yml", *arguments]

    def variables(self) -> dict[str, str]:
        """The environment of a run: fast, and answering in JSON."""
        strategies = mitogen_strategies()
        fast = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": strategies} if strategies else {}
        return {
            **self.environment,
            **fast,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_DEPRECATION_WARNINGS": "false",
            # Provisioning does not need to know hosts by the dynamic inventory, which has a test of its own.
            "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false",
        }

    def run(self, *arguments: str) -> Run:
        """Run provision.yml to its end."""
        began = time.monotonic()
        done = subprocess.run(
            self.command(*arguments), cwd=ROOT, env=self.variables(), capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
        assert "{" in done.stdout, f"{done.stdout}\n{done.stderr}"
        report = json.loads(done.stdout[done.stdout.index("{") :])
        results = {
            task["task"]["name"]: result
            for play in report["plays"]
            for task in play["tasks"]
            for result in task["hosts"].values()
        }
        failed = {name: str(result.get("msg")) for name, result in results.items() if result.get("failed")}
        changed = [name for name, result in results.items() if result.get("changed")]
        return Run(done.returncode, changed, failed, round(seconds, 1), results)

    def interrupt(self, task: int, seconds: float) -> bool:
        """Kill a run so many seconds after its `task`-th task began; False when it ended before."""
        environment = {**self.variables(), "ANSIBLE_STDOUT_CALLBACK": "default", "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            self.command(), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += line.startswith("TASK [")
            if seen == task:
                time.sleep(seconds)
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        return process.wait() == -signal.SIGKILL

    def state(self) -> Any:
        """Everything of the environment as it is, without ids and moments that differ from account to account."""
        ec2, logs = self.client("ec2"), self.client("logs")
        groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [NAMES.security_group]}])
        found = {
            "roles": {
                name: read_role(self.client("iam"), NAMES.role(name)) for name in ROLES if name not in (*OF_FEED, DOOR)
            },
            "bucket": self._bucket(),
            "group": [
                [_as_set(group["IpPermissions"]), _as_set(group["IpPermissionsEgress"])]
                for group in groups["SecurityGroups"]
            ],
            "hosts": [self._host(ec2, one["id"]) for one in find_instances(ec2, NAMES)],
            "addresses": [as_tag_dict(one["Tags"]) for one in ec2.describe_addresses()["Addresses"]],
            "endpoints": [
                [one["ServiceName"], one["VpcEndpointType"], one["RouteTableIds"], as_tag_dict(one["Tags"])]
                for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]
                if one["State"] != "deleted"
            ],
            "keys": {pair["KeyName"]: as_tag_dict(pair["Tags"]) for pair in ec2.describe_key_pairs()["KeyPairs"]},
            "key_is_ours": find_key(ec2, NAMES.key_pair) == self._public_key(),
            "alarms": read_alarms(self.client("cloudwatch"), NAMES.stem, NAMES.tags),
            "dashboards": len(self.client("cloudwatch").list_dashboards()["DashboardEntries"]),
            "schedules": read_schedules(self.client("scheduler"), NAMES.schedule_group),
            "group_tags": read_group(self.client("scheduler"), NAMES.schedule_group),
            "budget": read_budget(self.client("budgets", BUDGETS_REGION), ACCOUNT, NAMES.budget),
            "functions": {name: self._function(name) for name in DEPLOYED},
            "logs": [read_log_group(logs, NAMES.function_log_group(name)) for name in DEPLOYED],
            "host_logs": read_log_group(logs, NAMES.host_log_group),
            "profile_tags": self._profile_tags(),
            "alarm_tags": self._alarm_tags(),
            "topic_tags": self._topic_tags(),
            "subscribed": sorted(one["Endpoint"] for one in self.client("sns").list_subscriptions()["Subscriptions"]),
        }
        return json.loads(IDS.sub(r"\1-id", json.dumps(found, default=str, sort_keys=True)))

    def _public_key(self) -> str:
        return " ".join((self.folder / "key.pub").read_text("utf-8").split()[:2])

    def _bucket(self) -> Any:
        s3, name = self.client("s3"), NAMES.bucket(ACCOUNT)
        return read_bucket(s3, name) if bucket_exists(s3, name) else None

    def _profile_tags(self) -> Any:
        found = self.client("iam").get_instance_profile(InstanceProfileName=NAMES.role("host"))
        return as_tag_dict(found["InstanceProfile"]["Tags"])

    def _alarm_tags(self) -> Any:
        cloudwatch = self.client("cloudwatch")
        alarms = pages(cloudwatch, "describe_alarms", "MetricAlarms", AlarmNamePrefix=NAMES.stem)
        arns = [alarm["AlarmArn"] for alarm in alarms]
        return [as_tag_dict(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]) for arn in arns]

    def _topic_tags(self) -> Any:
        arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAMES.topic}"
        return as_tag_dict(self.client("sns").list_tags_for_resource(ResourceArn=arn)["Tags"])

    def _host(self, ec2: Any, identity: str) -> Any:
        instance = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
        volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        disk = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
        protected = ec2.describe_instance_attribute(InstanceId=identity, Attribute="disableApiTermination")
        keys = ("InstanceType", "KeyName", "ImageId", "State")
        return {
            **{key: instance.get(key) for key in keys},
            "MetadataOptions": {key: instance["MetadataOptions"].get(key) for key in METADATA},
            "IamInstanceProfile": instance.get("IamInstanceProfile", {}).get("Arn"),
            "tags": sorted((tag["Key"], tag["Value"]) for tag in instance["Tags"]),
            "disk": {key: disk[key] for key in ("Size", "VolumeType", "Encrypted")},
            "disk_tags": as_tag_dict(disk["Tags"]),
            "protected": protected["DisableApiTermination"]["Value"],
            "groups": [group["GroupName"] for group in instance["SecurityGroups"]],
        }

    def _function(self, name: str) -> Any:
        client = self.client("lambda")
        found = client.get_function(FunctionName=NAMES.function(name))
        keys = ("CodeSha256", "Handler", "Runtime", "Timeout", "MemorySize", "Environment", "Role", "Architectures")
        settings = read_function(client, NAMES.function(name))
        return {**{key: found["Configuration"].get(key) for key in keys}, "settings": settings}

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "moto.log").read_text("utf-8")[-2000:])

    def close(self) -> None:
        """End moto, which has nothing to save, and the workers of killed runs, which are in sessions of their own."""
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.inventory).encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def _as_set(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules of a security group, which have no order in AWS; the emulator keeps the one in which they were made."""
    return sorted(rules, key=lambda rule: json.dumps(rule, sort_keys=True))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def as_account(cloud: Cloud, monkeypatch: Any) -> Account:
    """The operator's own way to this account."""
    for name, value in cloud.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return Account()
