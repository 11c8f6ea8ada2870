"""`harvester run` through a scripted day, in still time, against the scripted broker: all that it wrote, as text.

Runs in an empty working directory. `python -m tests.golden.recorder` plays the day, each start of the recorder in a
process of its own (`python -m tests.golden.recorder N` is the Nth), since some are killed.
"""

import asyncio
import base64
import gc
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from tests.golden import render
from tests.golden.loop import Policy, StillLoop, stop_timeouts_of_threads, sync_in_turn
from tests.golden.settings import COMMON, INFY, NIFTY, RECORDER, ROOT, SBIN, SESSIONS, write_calendar
from tests.golden.still import NS_PER_SECOND, StillTime, lead_hosts, stand_still, wall

DATE = "2026-08-05"
HERE = Path(__file__).parent
OPENS_NS = wall(f"{DATE}T10:00:00+05:30")
MASTER = "".join(
    f"10100000{number:06},,,,,,,,,{ticker}{',' * 11}\n"
    for ticker, number in {SBIN: 3045, INFY: 1594, "NSE:RELIANCE-EQ": 2885, NIFTY: 26000}.items()
)
CHRONY = "2026-08-05 04:29:{} A9FEA97B 3 -1.234 0.045 -{}e-06 N 1 1.1e-05 -3.0e-07 3.6e-04 3.6e-04 2.5e-04\n"
Turn = Callable[["Stage"], Coroutine[Any, Any, None]]


class Start(NamedTuple):
    """One start of the recorder: when, in seconds after the opening, and what happens then and then."""

    at: float
    story: Callable[["Stage"], Coroutine[Any, Any, None]]


class Stage:
    """What a story moves: time, broker, disk, token, clock; and what it looks at."""

    def __init__(self, number: int, now: StillTime) -> None:
        from tests.golden.broker import ScriptedBroker

        self.number = number
        self.now = now
        self.broker = ScriptedBroker(now, OPENS_NS)
        self.is_full = False
        self.writes_fail = False
        self.told: list[str] = []
        """What systemd was told."""
        self.looks: dict[str, str] = {}
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setblocking(False)

    def prepare(self) -> None:
        """Replace what disks say, and listen in systemd's place."""
        statvfs, write = os.statvfs, os.write

        def of_disk(path: Any) -> os.statvfs_result:
            values = list(statvfs(path))
            return os.statvfs_result([4096, 4096, *values[2:4], 1 if self.is_full else 1 << 20, *values[5:]])

        def to_disk(descriptor: int, data: Any) -> int:
            if self.writes_fail and "/journal/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                raise OSError(28, "No space left on device")
            return write(descriptor, data)

        setattr(os, "statvfs", of_disk)  # noqa: B010
        setattr(os, "write", to_disk)  # noqa: B010
        Path("notify").unlink(missing_ok=True)
        self._notify.bind("notify")
        os.environ["NOTIFY_SOCKET"] = "notify"

    def hear(self) -> None:
        """Take in what systemd was told."""
        while True:
            try:
                text = self._notify.recv(4096).decode()
            except BlockingIOError:
                return
            after = (self.now.wall_ns - OPENS_NS) / NS_PER_SECOND
            if not self.told or self.told[-1].partition(" ")[2] != repr(text):
                self.told.append(f"{after:.3f} {text!r}")

    async def until(self, seconds: float) -> None:
        """Let time pass, by the wall clock, to so many seconds after the opening."""
        while (left := OPENS_NS + round(seconds * NS_PER_SECOND) - self.now.wall_ns) > 0:
            await asyncio.sleep(left / NS_PER_SECOND)

    def look(self, name: str) -> None:
        """Keep the status file as it is now."""
        path = Path("status.json")
        self.looks[f"run-{self.number}/status-{name}.json"] = render.outline(json.loads(path.read_bytes()))

    def hand_over(self, version: str, hours: float = 8) -> None:
        """A token comes, as the agent brings it."""
        expires = self.now.wall_ns // NS_PER_SECOND + int(hours * 3600)
        claims = {"sub": "access_token", "exp": expires, "fy_id": "XX00000", "hsm_key": version[-1] * 56}
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({}, claims)]
        token = ".".join([*parts, version])
        content = {"access_token": token, "version": f"file:{version}", "expires_at_ns": expires * NS_PER_SECOND}
        Path("access-token.new").write_text(json.dumps(content), encoding="utf-8")
        Path("access-token.new").replace("access-token")

    def measure(self, number: int) -> None:
        """Chrony writes a line."""
        with Path("tracking.log").open("a", encoding="utf-8") as file:
            file.write(CHRONY.format(50 + number, number))

    def end(self) -> None:
        """Keep what the next process and the report need."""
        self.hear()
        state = {"wall_ns": self.now.wall_ns, "mono_ns": self.now.mono_ns}
        found = self.looks | {
            f"run-{self.number}/systemd.txt": "".join(f"{line}\n" for line in self.told),
            f"run-{self.number}/broker.txt": "".join(f"{line}\n" for line in self.broker.notes),
        }
        Path(f"run-{self.number}.json").write_text(json.dumps({"found": found, "state": state}), encoding="utf-8")

    def kill(self) -> None:
        """End this process as on SIGKILL."""
        self.end()
        signal.raise_signal(signal.SIGKILL)


async def first(stage: Stage) -> None:
    """From before the opening: no token, polls that fail, connections that end, a full disk, a refusal; killed."""
    broker = stage.broker
    await stage.until(-6.5)
    stage.look("without-token")
    broker.accepts = {"v1"}
    stage.hand_over("v1")
    stage.measure(1)
    await stage.until(-1.5)
    stage.look("before-opening")
    await stage.until(3.5)
    stage.look("recording")
    broker.poll_trouble = {SBIN: "fail", INFY: "hang"}
    await stage.until(5.5)
    broker.poll_trouble = {SBIN: "broken", INFY: "cut"}
    stage.look("polls-fail")
    await stage.until(7.5)
    broker.poll_trouble = {}
    broker.cut("/hsm", 0)
    await stage.until(9.3)
    stage.look("one-of-two-is-cut")
    broker.cut("/tbt")
    await stage.until(12.3)
    broker.cut("/hsm")
    await broker.close("/tbt")
    await stage.until(12.7)
    stage.look("all-are-cut")
    await stage.until(17.5)
    await broker.say("/hsm", "hello from the server")
    await broker.say("/tbt", bytes((1 << 20) + 1))
    await broker.say("/hsm", b"\x00\x07not a frame")
    await stage.until(20.5)
    stage.is_full = True
    await stage.until(23.5)
    stage.look("disk-full")
    stage.is_full = False
    await stage.until(30.5)
    broker.poll_trouble = {SBIN: "limit"}
    await stage.until(32.5)
    broker.poll_trouble = {}
    stage.measure(2)
    await stage.until(38.5)
    broker.accepts = {"v2"}
    broker.cut("/hsm")
    await stage.until(41.5)
    stage.look("token-refused")
    stage.hand_over("v2")
    await stage.until(46.5)
    stage.look("new-token")
    stage.now.step(2.5)
    await stage.until(51.5)
    stage.now.step(-1.5)
    await stage.until(53.5)
    stage.look("clock-stepped")
    stage.now.pass_by(4.2)
    await stage.until(59.5)
    broker.cut("/hsm")
    await stage.until(59.8)
    stage.kill()


async def second(stage: Stage) -> None:
    """Inside the session after a kill: gaps are settled, both sockets come back, one falls mute; stopped."""
    stage.broker.accepts = {"v2"}
    await stage.until(66.5)
    stage.look("resumed")
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(3600)


async def third(stage: Stage) -> None:
    """Inside the session after a stop: to its end, past a window that nobody sees, through one with a bad disk."""
    broker = stage.broker
    broker.accepts = {"v2"}
    await stage.until(74.5)
    stage.look("resumed")
    await stage.until(82.5)
    stage.look("window-closed")
    await stage.until(112.5)
    stage.now.pass_by(50)
    await stage.until(164.5)
    stage.look("window-missed")
    broker.accepts = {"v2", "v3"}
    await stage.until(185.5)
    stage.hand_over("v3")
    await stage.until(188.5)
    stage.look("tokens-rotated")
    broker.mute("/hsm", mute=True)
    await stage.until(190.5)
    broker.mute("/tbt", mute=True)
    broker.refuses_upgrades = 502
    await stage.until(197.5)
    stage.look("mute")
    broker.refuses_upgrades = 0
    await stage.until(205.5)
    stage.writes_fail = True
    await stage.until(208.5)
    stage.look("journal-fails")
    stage.writes_fail = False
    await stage.until(217.5)
    stage.look("journal-goes-on")
    await stage.until(225)
    stage.look("last")
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(3600)


STARTS = (Start(-9.75, first), Start(62.25, second), Start(70.25, third))


def record(number: int) -> int:
    """Be the Nth start of the recorder."""
    gc.disable()  # a socket is closed when it is let go of, never at a collection
    before = Path(f"run-{number - 1}.json")
    state = json.loads(before.read_bytes())["state"] if before.exists() else {"wall_ns": 0, "mono_ns": 0}
    wall_ns = OPENS_NS + round(STARTS[number - 1].at * NS_PER_SECOND)
    passed_ns = wall_ns - state["wall_ns"] if before.exists() else 1_000 * NS_PER_SECOND
    now = stand_still(wall_ns, run=number, mono_ns=state["mono_ns"] + passed_ns)
    stop_timeouts_of_threads()
    sync_in_turn()
    lead_hosts(os.environ["GOLDEN_HOSTS"])
    from tests.golden.production import run_command

    stage = Stage(number, now)
    stage.prepare()
    listener = socket.socket(fileno=int(os.environ["GOLDEN_LISTENER"]))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain("ca.pem", "key.pem")
    acts: list[asyncio.Task[None]] = []

    async def act() -> None:
        await stage.broker.serve(listener, tls)
        await STARTS[number - 1].story(stage)

    def new_loop() -> StillLoop:
        loop = StillLoop(now, stage.hear)
        if not acts:
            acts.append(loop.create_task(act()))
        return loop

    asyncio.set_event_loop_policy(Policy(new_loop))
    code = run_command(["run"])
    stage.end()
    if acts[0].done() and not acts[0].cancelled():
        acts[0].result()
    return code


def play() -> dict[str, str]:
    """The whole day: every artefact by its name."""
    from tests.golden.masters import make_certificate, serving

    names = ("broker.golden", "public.golden")
    make_certificate(Path("ca.pem"), Path("key.pem"), names)
    Path("config.json").write_text(json.dumps(COMMON | RECORDER, indent=1) + "\n", encoding="utf-8")
    Path("tracking.log").write_text("", encoding="utf-8")
    Path("data").mkdir()
    write_calendar(Path("calendar.json"), DATE, SESSIONS)
    files = {
        "/sym_details/NSE_CM.csv": MASTER,
        "/sym_details/index_hsm_mapping.json": json.dumps({NIFTY: "Nifty 50"}),
    }
    found: dict[str, str] = {}
    with serving(files) as port:
        for number in range(1, len(STARTS) + 1):
            run_one(number, port)
            found |= json.loads(Path(f"run-{number}.json").read_bytes())["found"]
            if number == 1:
                tear()
    for path in sorted(Path("data/journal").glob("*/*.*")):
        found[f"journal/{path.name}.txt"] = render.segment(path)
    found["journal.txt"] = render.files(Path("data/journal"))
    return found


def run_one(number: int, public_port: int) -> None:
    """One start of the recorder, to its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        hosts = f"broker.golden={listener.getsockname()[1]},public.golden={public_port}"
        environment = os.environ | {
            "GOLDEN_HOSTS": hosts,
            "GOLDEN_LISTENER": str(listener.fileno()),
            "HARVESTER_CONFIG": f"{ROOT}/config.json",
            "SSL_CERT_FILE": f"{ROOT}/ca.pem",
            "PYTHONPATH": f"{HERE / 'child'}{os.pathsep}{os.environ['PYTHONPATH']}",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.golden.recorder", str(number)],
            env=environment,
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    expected = -signal.SIGKILL if number == 1 else 0
    Path(f"log-{number}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != expected or not Path(f"run-{number}.json").exists():
        sys.exit(f"start {number}: exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")


def tear() -> None:
    """A power cut after the kill: half a record at the end of the open segment."""
    (path,) = Path("data/journal").glob("*/*.open")
    content = path.read_bytes()
    path.write_bytes(content + content[:37])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(record(int(sys.argv[1])))
    json.dump(play(), sys.stdout)
