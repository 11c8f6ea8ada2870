"""A session of the stand-in with agent and recorder as processes: a renewal, the minutes, and the close."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchanges import PROGRAM

from exchange.client import open_client
from exchange.grants import Grants
from exchange.state import StateDir
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import entered
from lab.calendar import announce

HARVESTER = [sys.executable, "-m", "harvester"]
SECONDS = 130
PATIENCE = 400
API = "https://api.schwabapi.com"


class Host:
    """A host's configuration and processes in a folder, beside a stand-in that keeps the same calendar."""

    def __init__(self, folder: Path, ready: dict[str, Any], state: Path) -> None:
        self.folder, self.state = folder, state
        with entered("us"):
            self.grants = Grants(StateDir(state), SystemClock())
        kept = self.grants.token_file()
        kept["token"]["expires_at"] = time.time_ns() // NS_PER_SECOND + 100
        self.first_token = kept["token"]["access_token"]
        self.write("token.json", json.dumps(kept))
        self.write("secret", self.grants.app.secret)
        settings = {
            "host_id": "us1", "market": "us", "data_dir": str(folder / "data"), "symbols": ["QQQ", "SPY", "NOPE"],
            "broker": {"kind": "schwab", "app_id": self.grants.app.key}, "feeds": ["schwab-history"],
            "candles": {"resolution": 1, "every_seconds": 60, "final_after_seconds": 30},
            "calendar": {"file": str(folder / "calendar.json")}, "status_file": str(folder / "status.json"),
            "token": {
                "file": str(folder / "token.json"), "handover": str(folder / "handover"),
                "renew": {"app_secret": f"file:{folder / 'secret'}"},
            },
        }  # fmt: skip
        self.config = self.write("config.json", json.dumps(settings))
        self.environment = {"HTTPS_PROXY": ready["proxy"], "SSL_CERT_FILE": ready["ca"], "PATH": "/usr/bin:/bin"}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    @contextmanager
    def running(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service, ended as systemd ends it."""
        words = [*HARVESTER, command, "--config", str(self.config)]
        with (self.folder / f"{command}.log").open("wb") as log:
            process = subprocess.Popen(words, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def status(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found


@contextmanager
def exchange(state: Path, calendar: Path) -> Iterator[dict[str, Any]]:
    command = [PROGRAM, "serve", "--market", "us", "--state", str(state), "--port", "0", "--calendar", str(calendar)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def wait_until(condition: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.5)


@pytest.mark.long
def test_a_session_is_recorded_and_closed_as_it_was_served(tmp_path: Path, figure: Any) -> None:
    with entered("us"):
        opens, _ = announce(tmp_path / "calendar.json", lead_seconds=12, seconds=SECONDS)
    with exchange(tmp_path / "exchange", tmp_path / "calendar.json") as ready:
        host = Host(tmp_path, ready, tmp_path / "exchange")
        with host.running("token-agent"), host.running("run") as recorder:
            wait_until(lambda: host.status().get("candles", {}).get("settled") == 3, PATIENCE)
            memory = Path(f"/proc/{recorder.pid}/status").read_text().split("VmRSS:")[1].split()[0]
            lost = host.status()["lost_symbols"]
        handed = json.loads((tmp_path / "handover").read_text())["access_token"]
        with open_client(host.state) as client:
            served = ask(client, host)
        words = [*HARVESTER, "close", "--config", str(host.config), "--date", opens.date().isoformat()]
        closed = subprocess.run(words, capture_output=True, text=True, check=False)

    figure("recorder_rss_mib", int(memory) / 1024, bound="<= 48", unit="MiB")
    assert handed != host.first_token and host.grants.admits(handed), "renewed before its end"
    assert lost == {"NOPE": "NOPE: Schwab lists no such ticker. Correct it in symbols"}
    assert closed.returncode == 0, closed.stderr
    bars = len(served)
    assert f"QQQ (schwab-history): {bars} bars of {bars}," in closed.stdout
    assert f"NOPE (schwab-history): 0 bars of {bars}, 0 revised, 0 rejected; gap bars: no_data {bars}" in closed.stdout
    from harvester.reader import open_lake

    with entered("us"):
        table = open_lake(tmp_path / "data/lake").bars("QQQ", opens.date(), source="broker").arrow()
    told = table.select(["open", "high", "low", "close", "volume"]).to_pylist()
    assert told == [{name: row[name] for name in ("open", "high", "low", "close", "volume")} for row in served]


def ask(client: httpx.Client, host: Host) -> list[dict[str, float]]:
    """What the stand-in says of the day once it is over."""
    headers = {"Authorization": f"Bearer {host.grants.login()['access_token']}"}
    query = {"symbol": "QQQ", "periodType": "day", "period": "1", "frequencyType": "minute", "frequency": "1"}
    answer = client.get(f"{API}/marketdata/v1/pricehistory", params=query, headers=headers)
    found: list[dict[str, float]] = answer.json()["candles"]
    return found
