"""A booted host that an operator runs, the commands that are typed at the laptop, and who is told."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from harvester.base.market import zone
from lab import calendar, claims, labs
from lab.demo.login import push_token, sign_in
from lab.labs import HostWish
from lab.stand_ins import MOTO_PORT
from lab.testing import RunningLab
from runbook.fleet.playbook import mitogen_strategies

HOST = "h1"
DATA = "/var/lib/harvester"
DISK_BYTES, RESERVE_BYTES = 192 << 20, 16 << 20
COMMAND_SECONDS = 600
QUIET = "rm -rf /var/lib/harvester-alert/book.json /run/harvester-alert/unsaved-book.json"
"""A host on which nothing was told for long: of one cause people are told again after minutes or an hour."""
BEGINS = re.compile(rf"(?:ok|warn|fail)? *{HOST}: ")
REMEDY, SUM = "-> ", re.compile(r"\d+ ok, ")
ANSWERS = ("y\n",)
BUCKET, CHANNELS, REGION = "alpha-harvester-sre", "/alpha-harvester/lab/alerts/channels", "ap-south-1"
LOG_GROUP = "/alpha-harvester/lab/hosts"
TOKEN, TOKEN_SECONDS = "/alpha-harvester/lab/fyers/access-token", 86_400
ALERTS = "/var/spool/harvester-alert"
SETTINGS = f"""\
harvester_settings: >-
  {{{{ __lab_settings | combine(__sre_settings) }}}}
__sre_settings:
  disk_reserve_bytes: {RESERVE_BYTES}
  alerts: {{channels: "ssm:{CHANNELS}", region: {REGION}}}
  upload: {{bucket: {BUCKET}, region: {REGION}}}
  metrics: {{environment: lab, region: {REGION}, endpoint_url: "{{{{ lab_aws_endpoint }}}}"}}
  logs: {{group: {LOG_GROUP}, region: {REGION}, endpoint_url: "{{{{ lab_aws_endpoint }}}}"}}
"""
JOBS = """\
jobs:
  - name: proves
    when: "{far}"
    command: [sh, -c, "echo 3 rows >$HOME/out"]
    proof: {{command: [sh, -c, "cat $HOME/out"]}}
  - name: stubborn
    when: "{far}"
    command: [sh, -c, "trap '' TERM; echo busy; while :; do sleep 1; done"]
    limit: 2s
""".format(far=f"{datetime.now(zone()) + timedelta(hours=12):%H:%M}")
"""Their time is half a day away: the tests start them."""
RIGHTS = """\
for unit in metrics logs; do
  mkdir -p /etc/systemd/system/harvester-$unit.service.d
  printf '[Service]\\nEnvironment=AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing\\n' \
    >/etc/systemd/system/harvester-$unit.service.d/lab.conf
done
"""
"""Elsewhere the instance's role gives them. They are there before the units, so that their first runs have them."""


@dataclass(frozen=True)
class Heard:
    """A message that reached a person, and when."""

    at: float
    text: str


@dataclass(frozen=True)
class Said:
    """What a command printed: its exit code, and each finding with its remedy."""

    code: int
    output: str
    errors: str = ""

    def find(self, words: str) -> str | None:
        """The remedy of the first finding that says these words, in it or below it; None when none does."""
        wrong = (finding for finding in read_findings(self.output) if not finding[0].startswith("ok "))
        found = (fix or detail for detail, fix in wrong if re.search(words, detail))
        return next(found, None)


def read_findings(output: str) -> Iterator[tuple[str, str]]:
    """What is said of the host, and the remedy under it, of lines that may have been folded."""
    detail, fix = "", ""
    for line in [*output.splitlines(), f"{HOST}: "]:
        if BEGINS.match(line) or SUM.match(line):
            if BEGINS.match(detail):
                yield detail, fix
            detail, fix = line, ""
        elif fix or line.strip().startswith(REMEDY):
            fix = f"{fix} {line.strip().removeprefix(REMEDY)}".strip()
        else:
            detail += f" {line.strip()}"


@dataclass
class World:
    """The host, its operator's environment, and what the alerts' channel heard."""

    root: Path
    state: Path
    lab: RunningLab
    address: str
    environment: dict[str, str]
    channel: str = ""
    market: str = "closed"
    day: str = ""
    heard: list[Heard] = field(default_factory=list)

    def host(self, script: str, *, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a script on the host as root."""
        return self.lab.ssh(HOST, f"sudo sh -euc {shlex.quote(script)}", check=check)

    def here(self, command: str, *, given: str = "") -> Said:
        """Type a command at the laptop; a person signs in where it asks for a login."""
        words = shlex.split(command)
        if "token-push" in words:
            os.environ.update(self.environment)
            return Said(0, push_token(words, partial(sign_in, self.state / "exchange"), cwd=self.root)[0])
        if given in ANSWERS:  # they are asked for at a terminal alone
            words = ["script", "--quiet", "--return", "--command", command, "/dev/null"]
        done = subprocess.run(
            words,
            cwd=self.root,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def open_market(self, *, is_open: bool) -> None:
        """Give the exchange and the host a calendar that is open around the clock, or closed for a week."""
        path = self.state / "calendar.json"
        if is_open:
            path.unlink(missing_ok=True)
            calendar.provide_calendar(path)
            found = json.loads(path.read_bytes())
            for rule in found["phase_rules"]:
                rule["master"] = "0915-1530"  # what the exchange's symbol master says all the same
        else:
            found = calendar.closed_calendar(calendar.market_today())
        calendar.write_calendar(path, found)
        self.deliver_calendar()

    def deliver_calendar(self) -> None:
        """What a deploy does with it; the recorder reads it again."""
        text = (self.state / "calendar.json").read_text("utf-8")
        self.host(f"cat >/etc/harvester/calendar.json <<'E'\n{text}E")

    def be_ready(self, market: str, *, with_a_day: bool) -> None:
        """Have the market so, and where it is wanted a closed day that is in the bucket."""
        if with_a_day and not self.day:
            self.record_a_day()
        if market != self.market:
            self.open_market(is_open=market == "open")
            self.market = market
        wanted = f"status['window']['open'] == {market == 'open'}"
        probe = f"import json; status = json.load(open('/run/harvester-recorder/status.json')); assert {wanted}"
        assert repeat_until(lambda: self.lab.succeeds(HOST, f"sudo python3 -c {shlex.quote(probe)}"), 60)[0]

    def record_a_day(self) -> None:
        """A short session of today, closed and uploaded."""
        opens, closes = calendar.announce(self.state / "calendar.json", lead_seconds=10, seconds=10)
        self.deliver_calendar()
        time.sleep(max(0.0, closes.timestamp() + 2 - time.time()))
        self.day, self.market = f"{opens.date()}", "closed"
        self.host(f"systemctl start harvester-close@{self.day} && systemctl start harvester-upload")

    def client(self, service: str) -> Any:
        """A client of the AWS stand-in."""
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://{self.address}:{MOTO_PORT}",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def make_bucket(self) -> None:
        """The bucket for closed days."""
        place = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)

    def store_secrets(self) -> None:
        """What token-push and secret-put store: rows of the table go through these commands."""
        token = Tokens(StateDir(self.state / "exchange"), SystemClock()).mint_access_token(TOKEN_SECONDS)
        for name, value in {TOKEN: token, CHANNELS: self.channel}.items():
            self.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")

    def listen(self, text: str, since: float, seconds: float) -> float | None:
        """Seconds from `since` until a message said this; None when none did in time."""
        deadline = since + seconds
        while True:
            for message in tuple(self.heard):
                if message.at >= since and re.search(text, message.text):
                    return message.at - since
            if time.monotonic() > deadline:
                return None
            time.sleep(0.2)


@contextmanager
def build(root: Path, folder: Path, jobs: str = JOBS, settings: str = "", *, checked: bool = False) -> Iterator[World]:
    """Boot the host, give it a token, connect its alerts with this process, and build it by site.yml.

    `settings`: further lines of `harvester_settings`, indented by two. `checked`: with --check before, untouched.
    """
    state = folder / "lab"
    state.mkdir(mode=0o700)
    try:
        calendar.write_calendar(state / "calendar.json", calendar.closed_calendar(calendar.market_today()))
        wish = HostWish(HOST, disk_path=DATA, disk_bytes=DISK_BYTES)
        said: list[str] = []
        started = labs.bring_up(state, [wish], said.append)
        lab = RunningLab(state, {entry.host.name: entry for entry in started}, said)
        claim = claims.find_lab(state)
        assert claim
        world = World(root, state, lab, claim.address, operator_environment(root, folder, state, settings + jobs))
        with listening(world) as channel:
            world.channel = channel
            world.make_bucket()
            world.store_secrets()
            world.client("logs").create_log_group(logGroupName=LOG_GROUP)
            world.host(RIGHTS)
            for more in (" --check --diff", "") if checked else ("",):
                built = world.here(f"ansible-playbook site.yml{more}")
                assert built.code == 0, built.output[-4000:] + built.errors
            yield world
    finally:
        labs.bring_down(state)
        shutil.rmtree(folder, ignore_errors=True)


def operator_environment(root: Path, folder: Path, state: Path, more: str) -> dict[str, str]:
    """The lab's inventory with what this suite adds, and a shell that uses it; `more` follows SETTINGS."""
    inventory = folder / "inventory"
    shutil.copytree(root / "inventory/lab", inventory)
    groups = inventory / "group_vars/harvesters"
    groups.mkdir()
    shutil.move(inventory / "group_vars/harvesters.yml", groups / "lab.yml")
    (groups / "sre.yml").write_text(SETTINGS + more)
    mitogen = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(mitogen_strategies())}
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        **(mitogen if mitogen_strategies() else {}),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_INVENTORY": str(inventory),
        "ANSIBLE_TIMEOUT": "60",  # a host that shares a busy machine answers late
        "LAB_STATE": str(state),
    }


@contextmanager
def listening(world: World) -> Iterator[str]:
    """A service that takes every message, on the lab's own address; its address for the channels."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            world.heard.append(Heard(time.monotonic(), f"{message['title']}\n{message['message']}"))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer((world.address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"json://{world.address}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def repeat_until(ask: Callable[[], Any], seconds: float) -> tuple[Any, float]:
    """Ask until the answer is true, and how long that took; what was answered last where it never was."""
    began = time.monotonic()
    while True:
        answer = ask()
        took = time.monotonic() - began
        if answer or took > seconds:
            return answer, took
        time.sleep(0.5)
