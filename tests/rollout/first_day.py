"""The way from credentials to the first tick, as a person goes it, on a stand-in as slow as AWS; and who is waited for.

Nothing is scaled: AWS's waits are slept, ours happen. The host is one of the lab, switched off until AWS's instance
would answer; its packages are installed from what is on its disk, so what apt downloads is not in it.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from tests.aws.account import ANSWERS, NAMES

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from lab import cgroups, faults, labs
from lab.aws.delays import LATENCIES
from lab.aws.latency import LINE_BITS_PER_SECOND, STATES
from lab.aws.machines import BOOTS_HERE_SECONDS, MACHINES
from lab.aws.server import ACCOUNT, REGION
from lab.claims import HostClaim
from lab.keys import USER_KEY
from lab.overlay import layer_of
from lab.stand_ins import MOTO_PORT, calendar_file, exchange_folder, read_app_id
from runbook.aws import configure
from runbook.fleet.environment import STAND_IN_KEYS, variables_set
from runbook.fleet.inventory import load_hosts, program
from runbook.fleet.playbook import environment
from runbook.fleet.status import gather

CALLBACKS = Path(__file__).with_name("callbacks")
NOTHING: Mapping[str, str] = MappingProxyType({})
FIRST_TICK_WITHIN_SECONDS = 120
CLOUD_INIT = """\
#!/bin/sh
# Stands for cloud-init, of which the lab's hosts have none: it ends some time after the boot.
while [ "$(ps -o etimes= -p 1)" -lt {seconds:.0f} ]; do sleep 1; done
"""


@dataclass(frozen=True)
class Step:
    """A command, or a task of Ansible within it, and when it was on."""

    command: str
    name: str
    since: float
    until: float = 0.0

    @property
    def seconds(self) -> float:
        return self.until - self.since


@dataclass
class FirstDay:
    """A lab whose host AWS has not started yet, an inventory, and what happened by now."""

    root: Path
    folder: Path
    state: Path
    inventory: Path
    host: HostClaim
    steps: list[Step] = field(default_factory=list)
    longest_silence: dict[str, float] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_", "LAB_AWS"))}
        region = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        return {**kept, **region, **STAND_IN_KEYS, "AWS_ENDPOINT_URL": self.endpoint, "PYTHONUNBUFFERED": "1"}

    @property
    def endpoint(self) -> str:
        return endpoint_of(self.state)

    def site(self) -> str:
        """Run site.yml as the runbook's commands do; its output. A step for each task."""
        timeline = self.folder / "timeline.jsonl"
        fast = {
            key: value for key, value in environment(self.folder / "failures").items() if key.startswith("ANSIBLE_")
        }
        fast["ANSIBLE_CALLBACK_PLUGINS"] += f":{CALLBACKS}"
        began = time.time()
        said = self._run(
            "site.yml",
            [program("ansible-playbook"), "--inventory", str(self.inventory), "site.yml"],
            {**fast, "TIMELINE": str(timeline)},
        )
        tasks = [Step("site.yml", "start", began), *(Step("site.yml", **row) for row in read_lines(timeline))]
        ends = [*(task.since for task in tasks[1:]), time.time()]
        self.steps += [replace(task, until=end) for task, end in zip(tasks, ends, strict=True)]
        return said

    def put_secret(self) -> str:
        """Store the app's secret, as first-day.md has it before site.yml."""
        secret = StateDir(exchange_folder(self.state)).app().secret
        return self._command("secret-put", "--name", "app-secret", stdin=secret)

    def push_token(self) -> str:
        """Store a token of the exchange's, as token-push does after the login."""
        token = Tokens(StateDir(exchange_folder(self.state)), SystemClock()).mint_access_token()
        return self._command("token-push", "--stdin", stdin=token)

    def wait_for_tick(self) -> int:
        """Ask the host until its recorder has counted an update; how many it has then."""
        began = time.time()
        with variables_set({key: value for key, value in self.environment.items() if key.startswith("AWS_")}):
            [host] = load_hosts(self.root, str(self.inventory))
        while time.time() < began + FIRST_TICK_WITHIN_SECONDS:
            answer = gather([host])[0]
            status = (answer.report or {}).get("status") or {}
            counted = sum(row["updates"] for row in (status.get("symbols") or {}).values())
            if counted:
                self.steps.append(Step("the first tick", "ask the host", began, time.time()))
                return counted
            time.sleep(0.5)
        raise AssertionError(f"no tick: {answer}")

    def _command(self, name: str, *words: str, stdin: str) -> str:
        began = time.time()
        said = self._run(name, [program("runbook"), name, *words, "--inventory", str(self.inventory)], stdin=stdin)
        self.steps.append(Step(name, name, began, time.time()))
        return said

    def _run(self, name: str, command: Sequence[str], more: Mapping[str, str] = NOTHING, stdin: str = "") -> str:
        lines, heard = [], time.monotonic()
        with subprocess.Popen(
            command, cwd=self.root, env={**self.environment, **more}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(stdin)
            process.stdin.close()
            for line in process.stdout:
                now = time.monotonic()
                self.longest_silence[name] = max(self.longest_silence.get(name, 0.0), now - heard)
                heard = now
                lines.append(line)
        assert process.returncode == 0, "".join(lines[-200:])
        return "".join(lines)


def endpoint_of(state: Path) -> str:
    lab = labs.claims.find_lab(state)
    assert lab is not None
    return f"http://{lab.address}:{MOTO_PORT}"


@contextmanager
def first_day(root: Path, folder: Path) -> Iterator[FirstDay]:
    """A lab with an empty account that is slow, and a host that is switched off."""
    state = folder / "lab"
    os.environ |= {LATENCIES: str(folder / "waits.jsonl"), MACHINES: str(state)}
    try:
        [started] = labs.bring_up(state, [labs.HostWish("h1", variant="bare")], lambda _: None)
        host = started.host
        cgroups.end_group(host.group)
        seconds = STATES["first boot"].seconds - STATES["answering"].seconds + BOOTS_HERE_SECONDS
        layer_of(host).write("usr/bin/cloud-init", CLOUD_INIT.format(seconds=seconds), 0o755)
        faults.slow_down(host, LINE_BITS_PER_SECOND // 1000)
        with TemporaryDirectory(prefix="cp-") as sockets:  # whose names must be short
            yield FirstDay(root, folder, state, write_inventory(root, folder, state, Path(sockets)), host)
    finally:
        del os.environ[LATENCIES], os.environ[MACHINES]
        labs.bring_down(state)


def write_inventory(root: Path, folder: Path, state: Path, sockets: Path) -> Path:
    """What configure writes, and beside it where the lab differs from AWS."""
    inventory = folder / "aws"
    copytree(root / "inventory" / "aws", inventory)
    answers = {**ANSWERS, "app_id": str(read_app_id(state))}
    configure.write(answers, inventory, ACCOUNT, state / USER_KEY)
    with (inventory / "group_vars" / "all.yml").open("a", encoding="utf-8") as file:
        file.write(f"\naws_endpoint_url: {endpoint_of(state)}\naws_host_known_hosts_file: {folder}/known_hosts\n")
        file.write(f"aws_functions_build_dir: {folder}/functions\nharvester_cache_dir: {folder}/cache\n")
    keys = {"AWS_ENDPOINT_URL": endpoint_of(state), **STAND_IN_KEYS, "AWS_EC2_METADATA_DISABLED": "true"}
    ready = json.loads((exchange_folder(state) / "ready.json").read_bytes())
    variables = {
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=/dev/null",
        "ansible_control_path_dir": str(sockets),
        "__harvesters_in_aws": {"upload": {"bucket": NAMES.bucket(ACCOUNT), "region": REGION}},
        "harvester_token_agent_environment": {**keys, "AWS_REGION": REGION},
        "harvester_upload_environment": keys,
        "harvester_calendar_file": str(calendar_file(state)),
        "host_hardening_egress_tcp_ports": [53, 80, 443, MOTO_PORT],
        "broker_secret_file": str(exchange_folder(state) / "app.json"),
        "broker_ca_file": str(exchange_folder(state) / "ca.pem"),
        "broker_proxy": ready["proxy"],
    }
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars" / f"{NAMES.host(1)}.yml").write_text(json.dumps(variables), encoding="utf-8")
    return inventory


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
