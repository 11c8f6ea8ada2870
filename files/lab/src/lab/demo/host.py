"""The main job on a real booted host: built by site.yml, fed by the local exchange, pulled over SSH.

Every step is a command that a person could type; only the login page is filled in by a program.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from exchange.client import read_ready
from exchange.environment import client_environment
from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import HarvesterError
from lab import calendar
from lab.demo import account, broker_bars, evidence, summary
from lab.demo.login import find_person, push_token
from lab.demo.progress import Boot, Plays, Progress
from runbook.fleet.inventory import load_hosts, program
from runbook.fleet.playbook import mitogen_strategies
from runbook.fleet.status import gather
from runbook.report.delivery import REPORT_NAME

BOOT = "start the exchange and the AWS stand-in, let a Linux host boot on this machine"
BUILD = "ansible-playbook site.yml: an AWS account from empty to full, then the host over SSH"
AWS_PLAYS = ("Provision AWS", "Know the new hosts")
WATCH_SECONDS = 4
SETTLED_SECONDS = 14
"""After the close: the last candles have been asked for, and the segment that has them is sealed."""


@dataclass(frozen=True)
class Demo:
    """A demonstration in the checkout `root`, with the lab's state folder and what was asked for."""

    root: Path
    state: Path
    pulled: Path
    session_seconds: int
    progress: Progress

    @property
    def exchange(self) -> Path:
        return self.state / "exchange"

    @property
    def calendar(self) -> Path:
        return self.state / "calendar.json"

    @property
    def output(self) -> str:
        """The pull's target as the runbook's commands take it."""
        return str(self.pulled.relative_to(self.root))

    def invoke(self, *words: str) -> None:
        """Run one of the runbook's commands, as a person would."""
        self.progress.note("$ ./inv " + " ".join(words))
        self.progress.run([program("runbook"), *words], cwd=self.root)

    def ansible(self, *words: str) -> dict[str, float]:
        """Run ansible-playbook, with mitogen where it is installed; the seconds of each play by name."""
        strategies = mitogen_strategies()
        env = dict(os.environ)
        if strategies:
            env |= {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": strategies}
        self.progress.note("$ ansible-playbook " + " ".join(words))
        plays = Plays()
        self.progress.run([program("ansible-playbook"), *words], cwd=self.root, env=env, hear=plays.hear)
        return plays.seconds


@dataclass(frozen=True)
class Session:
    """A session that was recorded: its bounds in IST, and what the broker's SDK saw of it."""

    opens: datetime
    closes: datetime
    observed: dict[str, Any]

    @property
    def day(self) -> str:
        return self.opens.date().isoformat()

    @property
    def closes_ns(self) -> int:
        return int(self.closes.timestamp()) * NS_PER_SECOND


def run(demo: Demo) -> dict[str, Any]:
    """Run all steps; the summary document. Raises HarvesterError naming what failed."""
    step = demo.progress.step
    began = time.time_ns()
    with step(BOOT):
        demo.state.mkdir(mode=0o700, exist_ok=True)
        calendar.write_calendar(demo.calendar, calendar.closed_calendar(calendar.market_today()))
        boot = Boot(demo.root, demo.progress)
    with find_person(demo.exchange) as person:
        with step(BUILD), boot.beside():
            plays = demo.ansible("site.yml")
        aws_seconds = sum(plays.get(play, 0.0) for play in AWS_PLAYS)
        with step("log in at the broker, push the token"):
            demo.progress.note("$ ./inv token-push")
            said, login = push_token([program("runbook"), "token-push"], person, cwd=demo.root)
            demo.progress.note(said)
    with step(f"record a session of {demo.session_seconds} s"):
        recorded = record(demo, demo.progress.seconds[BUILD] - aws_seconds)
    with step("close the session and build the lake"):
        demo.ansible("playbooks/close.yml", "-e", json.dumps({"harvester_close_date": recorded.day}))
    with step("deliver the broker's candles, pull the day home and verify it"):
        broker_bars.deliver(load_hosts(demo.root)[0], recorded.day)
        demo.invoke("pull-data", "--raw", "--output", demo.output)
        demo.invoke("verify-data", "--output", demo.output)
    with step("look what the account and its bucket hold"):
        manifest, _ = summary.read_day(demo.pulled, recorded.day)
        aws = {"seconds": round(aws_seconds, 1), **account.examine(demo.root, recorded.day, manifest["files"])}
        delivered = account.find_delivery(demo.root, recorded.day)
        dues = broker_bars.dues_of(load_hosts(demo.root)[0], recorded.day)
    where, found = "a real booted host in the lab", {"aws": aws, "delivery": delivered, "dues": dues}
    return conclude(demo, recorded, since_ns=began, where=where, login=login, **found)


def conclude(demo: Demo, session: Session, *, since_ns: int, where: str, **extra: Any) -> dict[str, Any]:
    """The summary document of a day that was pulled, with what the SDK saw and what the exchange says it served."""
    raw = demo.pulled / "lake/raw"
    served = demo.exchange / "served.jsonl"
    answers = evidence.compare(served, raw, since_ns=since_ns, others=session.observed["asked"])
    frames = evidence.compare_sockets(demo.exchange / "frames", raw, until_ns=session.closes_ns)
    return summary.summarise(
        demo.pulled,
        session.day,
        where=where,
        seconds=demo.progress.seconds,
        **extra,
        sdk=session.observed,
        exchange=vars(answers),
        sockets=vars(frames),
        lake=f"{demo.output}/lake",
        report=f"{demo.output}/reports/{REPORT_NAME}",
    )


def record(demo: Demo, build_seconds: float) -> Session:
    """Announce a session, watch it, let the SDK look at the same market."""
    # The calendar has to reach the host before the open, and a machine that was slow to build it needs longer for it.
    lead_seconds = 8 + round(build_seconds / 4)
    opens, closes = calendar.announce(demo.calendar, lead_seconds=lead_seconds, seconds=demo.session_seconds)
    demo.progress.note(f"the market opens at {opens:%H:%M:%S %Z} and closes at {closes:%H:%M:%S %Z}")
    demo.ansible("site.yml", "--tags", "harvester_config")
    wait_until(opens.timestamp() + 2)
    host = load_hosts(demo.root)[0]
    observed = ask_with_sdk(demo, list(host.settings["symbols"]))
    demo.progress.note(f"the unmodified SDK sees the same market: {observed['books']}")
    while time.time() < closes.timestamp():
        watch(demo, host)
        wait_until(min(time.time() + WATCH_SECONDS, closes.timestamp()))
    wait_until(closes.timestamp() + SETTLED_SECONDS)
    return Session(opens, closes, observed)


def watch(demo: Demo, host: Any) -> None:
    """One line about what the recorder has so far."""
    answer = gather([host])[0]
    status = (answer.report or {}).get("status") or {}
    counts = {symbol: row["updates"] for symbol, row in (status.get("symbols") or {}).items()}
    gaps = len(status.get("open_gaps") or [])
    demo.progress.note(f"updates {counts}, open gaps {gaps}" if counts else f"no status yet: {answer.error}")


def ask_with_sdk(demo: Demo, symbols: list[str]) -> dict[str, Any]:
    """What the unmodified SDK sees of the symbols, in a process of its own."""
    state = StateDir(demo.exchange)
    token_file = demo.state / "observer-token"
    token_file.touch(mode=0o600)
    token_file.write_text(Tokens(state, SystemClock()).mint_access_token(), encoding="ascii")
    env = {
        **os.environ,
        **client_environment(read_ready(demo.exchange)),
        "FYERS_APP_ID": state.app().app_id,
        "FYERS_ACCESS_TOKEN_FILE": str(token_file),
    }
    command = [sys.executable, "-m", "lab.demo.observer", *symbols]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise HarvesterError(f"The broker's SDK did not get through to the exchange: {result.stderr.strip()[-2000:]}")
    observed: dict[str, Any] = json.loads(result.stdout)
    return observed


def wait_until(moment: float) -> None:
    """Sleep until a POSIX time."""
    time.sleep(max(0.0, moment - time.time()))
