"""Programs on the controller's side that stand for the outside world: moto for AWS, the exchange for the broker.

They listen on the lab's own address and run in a control group of the lab, so that nothing of them outlives it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exchange.state import write_file
from lab import cgroups, machine
from lab.claims import LabClaim
from lab.errors import LabError
from lab.machine import ENTER_GROUPS

Name = Literal["moto", "exchange"]
NAMES: tuple[Name, ...] = ("moto", "exchange")
MOTO_PORT = 5000
TOKEN_SECONDS = 86_400  # a lab must not lose its token at 06:30 India time, as the broker's do
EXCHANGE_PORT = 443
STARTS_WITHIN_SECONDS = 60
ENDS_WITHIN_SECONDS = 3

# moto takes any credentials, but the clients want to have some.
CREDENTIALS = "[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n"


@dataclass(frozen=True)
class Running:
    """A started stand-in: its process, by id and start time, and whether it still runs."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        return machine.process_start(self.pid) == self.start


def exchange_folder(state: Path) -> Path:
    """Where the exchange of the lab keeps its certificates, its app and its control socket."""
    return state / "exchange"


def calendar_file(state: Path) -> Path:
    """The lab's trading calendar, shared by the exchange and the hosts."""
    return state / "calendar.json"


def read_app_id(state: Path) -> str | None:
    """The broker app id that the lab's exchange made up, if it has started once."""
    path = exchange_folder(state) / "app.json"
    if not path.exists():
        return None
    app_id: str = json.loads(path.read_bytes())["app_id"]
    return app_id


def find_running(lab: LabClaim, name: Name) -> Running | None:
    """The recorded process of a stand-in, if it still runs."""
    record = lab.folder / f"{name}.json"
    if not record.exists() or lab.boot_id != machine.boot_id():
        return None
    running = Running(**json.loads(record.read_bytes()))
    return running if running.alive else None


def start(lab: LabClaim, names: Iterable[Name]) -> None:
    """Start these stand-ins beside each other and return when all of them serve."""
    (lab.state / "aws_credentials").write_text(CREDENTIALS, encoding="ascii")
    (exchange_folder(lab.state) / "ready.json").unlink(missing_ok=True)
    starting = [(name, *_commands(lab)[name]) for name in names]
    processes = [(name, _start(lab, name, command), is_ready) for name, command, is_ready in starting]
    for name, process, is_ready in processes:
        _wait(lab, name, process, is_ready)


def _commands(lab: LabClaim) -> dict[Name, tuple[list[str], Callable[[], bool]]]:
    """How each stand-in is started, and how to see that it serves."""
    folder = exchange_folder(lab.state)
    ready = folder / "ready.json"
    at = ["--address", lab.address, "--port", str(EXCHANGE_PORT)]
    days = ["--calendar", str(calendar_file(lab.state)), "--token-seconds", str(TOKEN_SECONDS), "--keep-frames"]
    exchange = [_program("exchange"), "serve", "--market", lab.market, "--state", str(folder), *at, *days]
    moto = [sys.executable, "-m", "lab.aws.server", "--host", lab.address, "--port", str(MOTO_PORT)]
    return {
        "moto": (moto, lambda: _accepts(lab.address, MOTO_PORT)),
        "exchange": (exchange, lambda: ready.exists() and _accepts(lab.address, EXCHANGE_PORT)),
    }


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def stop(lab: LabClaim) -> None:
    """End every stand-in of the lab; nothing happens when none runs."""
    running = [process for name in NAMES if (process := find_running(lab, name))]
    for process in running:
        with suppress(ProcessLookupError):  # it ended by itself since
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    while any(process.alive for process in running) and time.monotonic() < deadline:
        time.sleep(0.02)
    cgroups.end_group(lab.group)


def _start(lab: LabClaim, name: Name, command: list[str]) -> "subprocess.Popen[bytes]":
    entrances = map(str, cgroups.make_group(lab.group))
    with (lab.state / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            ["sh", "-c", ENTER_GROUPS, name, *entrances, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            # Its temporary files go with the lab, however it ends.
            env={**os.environ, "TMPDIR": str(lab.folder)},
        )
    record = {"pid": process.pid, "start": machine.process_start(process.pid)}
    write_file(lab.folder / f"{name}.json", json.dumps(record).encode())  # whole, or `lab down` could not read it
    return process


def _wait(lab: LabClaim, name: Name, process: "subprocess.Popen[bytes]", is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            log = lab.state / f"{name}.log"
            said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
            raise LabError(f"The lab's {name} did not start on {lab.address}; {log} ends with:\n{said}")
        time.sleep(0.05)


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
