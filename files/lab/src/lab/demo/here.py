"""The same data path as ordinary processes, where root or namespaces are not to be had: no host, no Ansible, no SSH."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exchange.client import open_client, read_ready
from exchange.environment import client_environment
from exchange.login import login_as_a_person
from exchange.state import StateDir
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.config.broker import API_URL
from harvester.config.file import PATH_VARIABLE
from harvester.tokens.login import App, begin_login, complete_login, read_redirect
from harvester.tokens.stores import FileStore
from lab import calendar
from lab.demo.host import Demo, Session, ask_with_sdk, conclude, wait_until
from lab.demo.login import BY_HTTP
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host, program

WHERE = "ordinary processes on this machine, without a host and without Ansible"
LEAD_SECONDS = 15  # the recorder reads a changed calendar in a process of its own, which takes a while
READY_SECONDS = 60
END_SECONDS = 10
SYMBOLS = ("NSE:HDFCBANK-EQ", "NSE:RELIANCE-EQ", "NSE:ADANIENT-EQ", "NSE:INFY-EQ", "NSE:SBIN-EQ")
FEEDS = ("fyers-hsm", "fyers-tbt", "fyers-rest")
CONNECT_SECONDS = 3
INTERVAL_SECONDS = 2.0


def run(demo: Demo) -> dict[str, Any]:
    """Run all steps in `demo.state`; the summary document. Raises HarvesterError naming what failed."""
    step = demo.progress.step
    demo.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    calendar.write_calendar(demo.calendar, calendar.closed_calendar(calendar.market_today()))
    serve = [program("exchange"), "serve", "--state", str(demo.exchange), "--port", "0", "--keep-frames"]
    began = time.time_ns()
    with process(demo, "exchange", [*serve, "--calendar", str(demo.calendar)], dict(os.environ)) as exchange:
        with step("start the exchange, log in at the broker"):
            wait_for(demo.exchange / "ready.json", exchange)
            env = {
                **os.environ,
                **client_environment(read_ready(demo.exchange)),
                PATH_VARIABLE: str(write_config(demo)),
            }
            log_in(demo)
        with step(f"record a session of {demo.session_seconds} s"):
            recorded = record(demo, env)
    with step("close the session and build the lake"):
        demo.progress.run([program("harvester"), "close", "--date", recorded.day], cwd=demo.root, env=env)
    with step("pull it and verify it"):
        inventory = write_inventory(demo)
        demo.invoke("pull-data", "--raw", "--output", demo.output, "--inventory", str(inventory))
        demo.invoke("verify-data", "--output", demo.output)
    return conclude(demo, recorded, since_ns=began, where=WHERE, login=BY_HTTP)


def record(demo: Demo, env: dict[str, str]) -> Session:
    """Run token agent and recorder through one session."""
    with (
        process(demo, "token-agent", [program("harvester"), "token-agent"], env) as agent,
        process(demo, "recorder", [program("harvester"), "run"], env) as recorder,
    ):
        wait_for(demo.state / "access-token", agent)
        wait_for(demo.state / "status.json", recorder)
        opens, closes = calendar.announce(demo.calendar, lead_seconds=LEAD_SECONDS, seconds=demo.session_seconds)
        demo.progress.note(f"the market opens at {opens:%H:%M:%S %Z} and closes at {closes:%H:%M:%S %Z}")
        wait_until(opens.timestamp() + 2)
        observed = ask_with_sdk(demo, list(SYMBOLS))
        demo.progress.note(f"the unmodified SDK sees the same market: {observed['books']}")
        wait_until(closes.timestamp() + 2)
    return Session(opens, closes, observed)


@contextmanager
def process(demo: Demo, name: str, command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background with its output in a log file; it must live until it is told to end, and end well."""
    log = demo.state / f"{name}.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,  # Ctrl-C is for the demonstration, which ends the programs one after the other
        )
        try:
            yield running
        finally:
            died = running.poll() is not None
            running.terminate()
            code = running.wait(END_SECONDS)
            if died or code != 0:
                words = log.read_text("utf-8")[-1500:]
                raise HarvesterError(f"{name} ended too early or badly, with exit code {code}; its last words: {words}")


def wait_for(path: Path, writer: "subprocess.Popen[bytes]") -> None:
    """Return when a program has written a file, or has ended. Raises HarvesterError after some seconds."""
    deadline = time.monotonic() + READY_SECONDS
    while not path.exists() and writer.poll() is None:
        if time.monotonic() > deadline:
            raise HarvesterError(f"{path} did not appear within {READY_SECONDS} s: the program that writes it hangs.")
        time.sleep(0.05)


def write_config(demo: Demo) -> Path:
    """The harvester's configuration: everything under the demo's state folder."""
    state = demo.state
    config = {
        "host_id": "here",
        "data_dir": str(state / "data"),
        "symbols": SYMBOLS,
        "broker": {"app_id": StateDir(demo.exchange).app().app_id},
        "feeds": FEEDS,
        "connect_before_seconds": CONNECT_SECONDS,
        "tbt": {"symbols": SYMBOLS[:1]},
        "poll": {"interval_seconds": INTERVAL_SECONDS},
        "calendar": {"file": str(demo.calendar)},
        "token": {"source": "file", "file": str(state / "credential"), "handover": str(state / "access-token")},
        "status_file": str(state / "status.json"),
    }
    path = state / "config.json"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return path


def write_inventory(demo: Demo) -> Path:
    """An inventory of this machine, for the commands that ask where the data is."""
    settings = {"data_dir": str(demo.state / "data")}
    host = {"ansible_connection": "local", "harvester_settings": settings}
    path = demo.state / "inventory.json"
    path.write_text(json.dumps({"harvesters": {"hosts": {"here": host}}}), encoding="utf-8")
    return path


def log_in(demo: Demo) -> None:
    """Sign in on the exchange's login page and keep the token, proven, in the token agent's file."""
    made_up = StateDir(demo.exchange).app()
    app = App(made_up.app_id, Secret(made_up.secret), made_up.redirect_uri)
    begun = begin_login(app, API_URL)
    ready = read_ready(demo.exchange)
    stand_ins = Host("here", "", variables={"broker_proxy": ready["proxy"], "broker_ca_file": ready["ca"]})
    with open_client(demo.exchange) as client, environment_of(stand_ins):
        address = login_as_a_person(begun.url, demo.exchange, client)
        grant, profile = complete_login(app, read_redirect(address, app, begun.state), api_url=API_URL)
    demo.progress.note(f"logged in as {profile.account}")
    FileStore(demo.state / "credential").write(grant.access_token)
