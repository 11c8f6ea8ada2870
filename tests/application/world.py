"""A booted host with Docker, built by site.yml with the lab's copy of the example application."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.application import project

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from lab import claims, labs
from lab.labs import HostWish
from lab.stand_ins import MOTO_PORT
from lab.testing import RunningLab
from runbook.fleet.playbook import mitogen_strategies

BUCKET, PASSWORD_PARAMETER = "database-backups", "/alpha-harvester/lab/database/password"
VARIABLES_PARAMETER = "/alpha-harvester/lab/application/variables"
ENVIRONMENT = "{{ harvester_token_agent_environment }}"
BACKUPS: dict[str, Any] = {
    "database_backup": {
        "database": "mydb",
        "place": f"s3://{BUCKET}/database/",
        "region": "ap-south-1",
        "days": "every",
        "tables": [
            {"name": "my_schema.ticks"},
            {"name": "my_schema.holdings", "key": ["instrument_token", "run_date"]},
            {"name": "my_schema.positions"},
            {"name": "my_schema.market_structure", "rows": "session_date >= CURRENT_DATE - 1"},
            {"name": "my_schema.rt_intraday_price", "rows": "price_date >= to_char(CURRENT_DATE - 1, 'YYYY-MM-DD')"},
            {"name": "my_schema.raw_ticks", "merge": "replace_dates", "date": "run_date"},
        ],
    },
    "database_backup_password_place": f"ssm:{PASSWORD_PARAMETER}",
    "database_backup_password_region": "ap-south-1",
    "database_backup_password_environment": ENVIRONMENT,
    "database_backup_deliver_environment": ENVIRONMENT,
}
HOST, REGION, DISK_BYTES = "h1", "ap-south-1", 6 << 30
TOKEN = "/alpha-harvester/lab/fyers/access-token"
PASSWORD = "p$w{d} #1 of-the-lab"
"""With what a shell, Compose and a URL would each read otherwise."""
RECAP = re.compile(r"^h1 .*changed=(\d+).*failed=(\d+)", re.MULTILINE)


@dataclass
class World:
    """The host, the operator's inventory, and the project on the controller."""

    root: Path
    state: Path
    lab: RunningLab
    inventory: Path
    project: Path
    variables: Path
    environment: dict[str, str]
    aws: str
    """Address of moto."""
    checked: "subprocess.CompletedProcess[str] | None" = None
    """`site.yml --check --diff` on the host before anything was done to it."""

    def client(self, service: str) -> Any:
        """The SDK's client of the lab's AWS."""
        return _client(service, self.aws)

    def host(self, script: str, *, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a script on the host as root."""
        return self.lab.ssh(HOST, "sudo sh -eu", check=check) if not script else self._script(script, check=check)

    def _script(self, script: str, *, check: bool) -> "subprocess.CompletedProcess[str]":
        words = ["ssh", "-F", str(self.state / "ssh_config"), "-o", "BatchMode=yes", HOST, "sudo", "sh", "-eu"]
        done = subprocess.run(words, input=script, capture_output=True, text=True, check=False, timeout=300)
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done

    def compose(self, words: str) -> str:
        return self.host(f"/opt/market-app/libexec/compose {words}").stdout

    def sql(self, query: str) -> str:
        command = f'exec -T postgres psql -U postgres -d mydb -qAt -c "{query}"'
        return self.compose(command).strip()

    def healthy(self) -> bool:
        ask = "curl --fail --silent --max-time 5 http://127.0.0.1:8000/health"
        return self.host(ask, check=False).returncode == 0

    def say(self, **variables: Any) -> None:
        """What the inventory says of the application."""
        given = {
            "application_source": str(self.project),
            "application_env_file": str(self.variables),
            "application_schema": "Schema.sql",
            # The lab's market is open around the clock.
            "application_start": "open-5m",
            "application_stop": "close+5m",
            **BACKUPS,
        }
        path = self.inventory / "group_vars/harvesters/application.yml"
        path.write_text(yaml.safe_dump(given | variables), encoding="utf-8")

    def here(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=900
        )

    def play(self, name: str, *words: str) -> str:
        done = self.here("ansible-playbook", name, "-e", '{"harvester_override_blackout": true}', *words)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout


def changes(output: str) -> int:
    found = RECAP.search(output)
    assert found and found[2] == "0", output[-3000:]
    return int(found[1])


@contextmanager
def build(root: Path, folder: Path) -> Iterator[World]:
    """The host booted and its images there; site.yml is the tests'."""
    image = project.provide_image()
    state = folder / "lab"
    try:
        said: list[str] = []
        wish = HostWish(HOST, variant="containers", disk_path="/var/lib/docker", disk_bytes=DISK_BYTES)
        started = labs.bring_up(state, [wish], said.append)
        lab = RunningLab(state, {entry.host.name: entry for entry in started}, said)
        claim = claims.find_lab(state)
        assert claim
        token = Tokens(StateDir(state / "exchange"), SystemClock()).mint_access_token(86_400)
        ssm = _client("ssm", claim.address)
        for name, value in ((TOKEN, token), (PASSWORD_PARAMETER, PASSWORD)):
            ssm.put_parameter(Name=name, Value=value, Type="SecureString")
        location: Any = {"LocationConstraint": REGION}
        _client("s3", claim.address).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
        app_id = yaml.safe_load((state / "inventory.json").read_text())["all"]["vars"]["lab_app_id"]
        variables = project.write_variables(
            folder / "variables",
            POSTGRES_PASSWORD=PASSWORD,
            SYMBOLS="NSE:SBIN-EQ,NSE:INFY-EQ",
            FYERS_APP_ID=app_id,
            FYERS_ACCESS_TOKEN=token,
        )
        inventory = folder / "inventory"
        shutil.copytree(root / "inventory/lab", inventory)
        groups = inventory / "group_vars/harvesters"
        groups.mkdir()
        shutil.move(inventory / "group_vars/harvesters.yml", groups / "lab.yml")
        copy = project.copy_example(folder, claim.address)
        world = World(root, state, lab, inventory, copy, variables, _environment(inventory, state), claim.address)
        world.say()
        world.host(f"mkdir -p {project.CERTIFICATES}; cat >{project.CERTIFICATES}/ca.pem <<'E'\n{_certificate(state)}E")
        with image.open("rb") as file:
            words = ["ssh", "-F", str(state / "ssh_config"), HOST, f"sudo {project.IMPORT}"]
            subprocess.run(words, stdin=file, check=True, capture_output=True, timeout=300)
        world.host(project.BASE)
        yield world
    finally:
        labs.bring_down(state)
        shutil.rmtree(folder, ignore_errors=True)


def _certificate(state: Path) -> str:
    return (state / "exchange/ca.pem").read_text("utf-8")


def _client(service: str, address: str) -> Any:
    import boto3

    where = f"http://{address}:{MOTO_PORT}"
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client(service, region_name=REGION, endpoint_url=where, **keys)


def _environment(inventory: Path, state: Path) -> dict[str, str]:
    mitogen = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(mitogen_strategies())}
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        **(mitogen if mitogen_strategies() else {}),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_INVENTORY": str(inventory),
        "ANSIBLE_TIMEOUT": "60",  # a host that shares a busy machine answers late
        "LAB_STATE": str(state),
    }
