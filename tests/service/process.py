"""A recorder as a process, with its broker on loopback and its notify socket."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.child import compiled
from tests.recorder.broker import FakeBroker
from tests.recorder.fakes import make_config, make_token, session_around

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local
from harvester.base.redaction import Secret
from harvester.tokens.handover import Token, write_handover

FIVE = [f"NSE:{name}-EQ" for name in ("HDFCBANK", "RELIANCE", "ADANIENT", "INFY", "SBIN")]
COMMAND = [sys.executable, "-c", "import sys; sys.modules['rich'] = None; from harvester.cli import main; main()"]
"""As a host runs it: rich, which structlog loads where it is installed, is in the controller's lock alone."""

UNHEALTHY = 3
UNBROKEN_SECONDS = 150
"""For so long a story may need its session."""


class Service(NamedTuple):
    """A running `harvester run` and its environment."""

    process: asyncio.subprocess.Process
    broker: FakeBroker
    directory: Path
    notices: list[str]

    @property
    def status(self) -> dict[str, Any]:
        return json.loads((self.directory / "status.json").read_text())  # type: ignore[no-any-return]

    async def wait_for(self, condition: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until an expression about `status` holds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (self.directory / "status.json").exists():
                status = self.status
                if eval(condition, {"status": status}):  # noqa: S307 - expressions of this file
                    return status
            await asyncio.sleep(0.1)
        raise AssertionError(f"never: {condition}")

    async def wait_until_unhealthy(self, seconds: float = 60) -> None:
        """Wait until `harvester health` ends with its exit code for it."""
        deadline = time.monotonic() + seconds
        while (code := (await asyncio.to_thread(self.run, "health")).returncode) != UNHEALTHY:
            assert time.monotonic() < deadline, f"health still ends with exit code {code}"
            await asyncio.sleep(0.5)

    def hand_over(self, token: str, version: str) -> None:
        expires_ns = time.time_ns() + 3600 * NS_PER_SECOND
        write_handover(self.directory / "access-token", Token(Secret(token), version, expires_ns))

    async def end(self) -> tuple[int, float]:
        """SIGTERM; exit code and seconds until the end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.process.wait(), 10)
        assert self.process.returncode is not None
        return self.process.returncode, time.monotonic() - began

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another harvester command with the same configuration."""
        return run_command(self.directory, *arguments)


def run_command(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HARVESTER_CONFIG": str(directory / "config.json")}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def seconds_until_a_session_may_begin() -> float:
    """None goes over midnight in India: one that would meet it soon has to wait until then."""
    now = time.time_ns()
    left = (midnight_ns(to_local(now).date() + timedelta(days=1)) - now) / NS_PER_SECOND
    return left + 1 if left < UNBROKEN_SECONDS else 0


@asynccontextmanager
async def serving(
    directory: Path,
    certificate: tuple[Path, Path],
    *,
    seconds: int = 60,
    opens_in: int = 0,
    token: bool = True,
    broker: FakeBroker | None = None,
    calendar_bytes: bytes | None = None,
    **changes: Any,
) -> AsyncIterator[Service]:
    """A recorder of five symbols at one-second intervals, killed at the end if it still runs.

    `calendar_bytes`: the calendar of an earlier service. `changes` to the configuration may be functions of a URL.
    """
    async with broker or FakeBroker(certificate) as broker:
        await asyncio.sleep(0 if opens_in else seconds_until_a_session_may_begin())
        now = time.time_ns()
        calendar = session_around(directory / "cal.json", now, before_seconds=-opens_in, after_seconds=seconds)
        if calendar_bytes:
            calendar.write_bytes(calendar_bytes)
        broker_settings = {
            "api_url": broker.url,
            "public_url": broker.url,
            "requests_per_minute": 600,
            "requests_per_day": 200_000,
        }
        config = make_config(directory, symbols=FIVE, broker=broker_settings, calendar={"file": str(calendar)})
        for key, change in changes.items():
            value = change(broker.url) if callable(change) else change
            config[key] = config[key] | value if isinstance(config.get(key), dict) else value
        (directory / "data").mkdir(exist_ok=True)
        (directory / "config.json").write_text(json.dumps(config))
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(directory / "notify"))
        notify.setblocking(False)
        notices: list[str] = []
        loop = asyncio.get_running_loop()
        loop.add_reader(notify, lambda: notices.append(notify.recv(4096).decode()))
        environment = {
            **await asyncio.to_thread(compiled),
            "SSL_CERT_FILE": str(certificate[0]),
            "HARVESTER_CONFIG": str(directory / "config.json"),
            "NOTIFY_SOCKET": str(directory / "notify"),
        }
        if token:
            expires_ns = now + 3600 * NS_PER_SECOND
            text = make_token(expires_ns / NS_PER_SECOND)
            write_handover(directory / "access-token", Token(Secret(text), "file:00000001", expires_ns))
        log = (directory / "log").open("a")
        process = await asyncio.create_subprocess_exec(*COMMAND, "run", env=environment, stdout=log, stderr=log)
        try:
            yield Service(process, broker, directory, notices)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            loop.remove_reader(notify)
            notify.close()
            log.close()


def kib(memory: str, key: str) -> int:
    """A figure of /proc/PID/status."""
    return next(int(line.split()[1]) for line in memory.splitlines() if line.startswith(key))
