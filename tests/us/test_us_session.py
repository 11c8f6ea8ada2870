"""A session of the stand-in with agent, recorder and rows as processes: a renewal, an outage, and the close."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from operator import mul
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchanges import PROGRAM
from tests.postgresql_server import Base, programs, stoppable_server

from exchange.client import call_control, open_client
from exchange.grants import Grants
from exchange.state import StateDir
from harvester.base.clock import NS_PER_SECOND, Clock, SystemClock
from harvester.base.market import entered
from lab.calendar import announce

HARVESTER = [sys.executable, "-m", "harvester"]
SECONDS = 130
PATIENCE = 400
API = "https://api.schwabapi.com"


class Host:
    """A host's configuration and processes in a folder, beside a stand-in that keeps the same calendar."""

    def __init__(
        self,
        folder: Path,
        ready: dict[str, Any],
        state: Path,
        dsn: str = "",
        *feeds: str,
        calendar: str | None = "calendar.json",
        clock: Clock | None = None,
    ) -> None:
        """`dsn`: of a database that gets each minute; `feeds` beside the history; `calendar`: None for the market's.

        `clock`: of host and stand-in; `program` is what has it.
        """
        self.folder, self.state, self.program = folder, state, HARVESTER
        clock = clock or SystemClock()
        with entered("us"):
            self.grants = Grants(StateDir(state), clock)
        kept = self.grants.token_file()
        kept["token"]["expires_at"] = clock.wall_ns() // NS_PER_SECOND + 100
        self.first_token = kept["token"]["access_token"]
        self.write("token.json", json.dumps(kept))
        self.write("secret", self.grants.app.secret)
        settings = {
            "host_id": "us1", "market": "us", "data_dir": str(folder / "data"), "symbols": ["QQQ", "SPY", "NOPE"],
            "broker": {"kind": "schwab", "app_id": self.grants.app.key}, "feeds": ["schwab-history", *feeds],
            "candles": {"resolution": 1, "every_seconds": 60, "final_after_seconds": 30},
            "calendar": {"file": str(folder / calendar)} if calendar else {},
            "status_file": str(folder / "status.json"),
            "token": {
                "file": str(folder / "token.json"), "handover": str(folder / "handover"),
                "renew": {"app_secret": f"file:{folder / 'secret'}"},
            },
        }  # fmt: skip
        if dsn:
            place = self.write("dsn", dsn)
            settings["deliveries"] = [{"name": "rows", "kind": "postgres", "place": f"file:{place}", "live": True}]
        self.config = self.write("config.json", json.dumps(settings))
        self.environment = {"HTTPS_PROXY": ready["proxy"], "SSL_CERT_FILE": ready["ca"], "PATH": "/usr/bin:/bin"}
        self.environment["NO_PROXY"] = "localhost"  # where the stand-in has its streamer

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    @contextmanager
    def running(self, command: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service, ended as systemd ends it."""
        words = [*self.program, command, *options, "--config", str(self.config)]
        with (self.folder / f"{command}.log").open("wb") as log:
            process = subprocess.Popen(words, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def close(self, day: date) -> "subprocess.CompletedProcess[str]":
        words = [*self.program, "close", "--config", str(self.config), "--date", day.isoformat()]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def status(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found


@contextmanager
def exchange(state: Path, calendar: Path | None, program: Sequence[str] = (PROGRAM,)) -> Iterator[dict[str, Any]]:
    """What the stand-in says of itself once it is ready; `calendar`: None for the market's own."""
    command = [*program, "serve", "--market", "us", "--state", str(state), "--port", "0"]
    command += ["--calendar", str(calendar)] if calendar else []
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
            served = ask(client, host.grants)
        closed = host.close(opens.date())

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


@pytest.mark.long
def test_minutes_are_streamed_at_once_on_a_bad_day_and_settled_by_history(tmp_path: Path, figure: Any) -> None:
    """Another program takes the connection, the broker logs the user out and denies a login: each has its gap."""
    with entered("us"):
        opens, _ = announce(tmp_path / "calendar.json", lead_seconds=12, seconds=4 * 60)
    with exchange(tmp_path / "exchange", tmp_path / "calendar.json") as ready:
        host = Host(tmp_path, ready, tmp_path / "exchange", "", "schwab-stream")
        with host.running("token-agent"), host.running("run") as recorder:
            wait_until(lambda: came(host.status()) >= 1, PATIENCE)
            for action in ("take_over", "log_out"):
                attempt = connection(host.status())["attempt"]
                arm(host.state, action)
                wait_until(lambda before=attempt: connection(host.status())["attempt"] > before, PATIENCE)
                wait_until(lambda: connection(host.status())["missing"] == 0, PATIENCE)
            arm(host.state, "refuse_auth", count=1)
            arm(host.state, "cut")
            wait_until(lambda: connection(host.status())["cause"] == "token_refused", PATIENCE)
            wait_until(lambda: connection(host.status())["missing"] == 0, PATIENCE)
            wait_until(lambda: host.status().get("candles", {}).get("settled") == 3, PATIENCE)
            memory = Path(f"/proc/{recorder.pid}/smaps_rollup").read_text()
        tokens = {host.first_token, json.loads((tmp_path / "handover").read_text())["access_token"]}
        closed = host.close(opens.date())

    for name in ("Rss", "Pss"):
        size = int(memory.split(f"{name}:")[1].split()[0]) / 1024
        figure(f"recorder_with_stream_{name.lower()}_mib", size, bound="<= 48", unit="MiB")
    assert closed.returncode == 0, closed.stderr
    written = [path.read_bytes() for path in (tmp_path / "data").rglob("*.seg*")]
    written += [path.read_bytes() for path in tmp_path.glob("*.log")]
    assert written and not any(token.encode() in content for token in tokens for content in written)
    [path] = (tmp_path / "data/lake/certificate").rglob("*.json")
    certificate = json.loads(path.read_bytes())
    section, stream = certificate["candles"], certificate["streams"]["schwab-stream"]
    assert section["unexplained_bars"] == stream["unexplained_ns"] == 0
    bars = section["symbols"]["QQQ"]
    assert bars["recorded"] == bars["final"] == bars["expected"] and "provisional_by_cause" not in bars
    assert stream["symbols"]["QQQ"]["minutes"] >= 1 and stream["symbols"]["NOPE"]["minutes"] == 0
    causes = {each["cause"] for each in stream["connections"]}
    assert {"refused", "disconnect", "token_refused"} <= causes


def connection(status: dict[str, Any]) -> dict[str, Any]:
    """The stream's connection, by the recorder's status."""
    connections = status["feeds"]["schwab-stream"]["connections"]
    found: dict[str, Any] = connections[0]
    return found


def came(status: dict[str, Any]) -> int:
    """Minutes of QQQ that were streamed so far."""
    feeds = status.get("symbols", {}).get("QQQ", {}).get("feeds", {})
    return int(feeds.get("schwab-stream", {}).get("updates", 0))


def arm(state: Path, action: str, **more: object) -> None:
    """A fault of the stand-in whose state is there."""
    call_control(state, "POST", "/faults", json.dumps({"action": action, **more}).encode())


@pytest.mark.long
def test_rows_are_what_was_served_over_an_outage_of_the_database(tmp_path: Path) -> None:
    """The database goes after its first row and comes back when the session is over."""
    if programs() is None:
        pytest.skip("there is no PostgreSQL server here (requirements/apt-postgresql.txt)")
    with entered("us"):
        announce(tmp_path / "calendar.json", lead_seconds=12, seconds=SECONDS)
    with exchange(tmp_path / "exchange", tmp_path / "calendar.json") as ready, stoppable_server() as server:
        base = server.create()
        host = Host(tmp_path, ready, tmp_path / "exchange", base.dsn)
        with host.running("token-agent"), host.running("run"), host.running("deliver-rows", "--live") as rows:
            wait_until(lambda: len(stored(base, "equity_data", "price, volume")) >= 1, PATIENCE)
            server.stop()
            wait_until(lambda: host.status().get("candles", {}).get("settled") == 3, PATIENCE)
            server.start()
            with open_client(host.state) as client:
                served = ask(client, host.grants)
            wait_until(lambda: len(stored(base, "indicators", "sma9, vwap")) == len(served), PATIENCE)
            memory = Path(f"/proc/{rows.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        prices, averages = stored(base, "equity_data", "price, volume"), stored(base, "indicators", "sma9, vwap")

    assert len(served) > 1 and int(memory) / 1024 <= 64
    assert (prices, averages) == rows_of(served)


def rows_of(served: list[dict[str, float]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What equity_data and indicators must have of at most nine minutes, computed anew of each: independent of ours."""
    moments = [datetime.fromtimestamp(int(row["datetime"]) / 1000, UTC) for row in served]
    closes = [Decimal(str(row["close"])) for row in served]
    volumes = [int(row["volume"]) for row in served]
    assert len(served) <= 9
    prices = [(moment, cents(close), volume) for moment, close, volume in zip(moments, closes, volumes, strict=True)]
    turnover = [sum(map(mul, closes[:end], volumes)) for end in range(1, len(closes) + 1)]
    averages = [
        (moments[at], cents(sum(closes[: at + 1]) / (at + 1)), cents(turnover[at] / sum(volumes[: at + 1])))
        for at in range(len(served))
    ]
    return prices, averages


def stored(base: Base, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Rows of QQQ in their order; none while there is no such table."""
    if not base.run(f"SELECT 1 FROM pg_tables WHERE tablename = '{table}'"):  # noqa: S608  # names of ours
        return []
    query = f"SELECT timestamp, {columns} FROM {table} WHERE ticker = 'QQQ' ORDER BY 1"  # noqa: S608
    return base.run("SET timezone = 'UTC'", query)


def cents(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def ask(client: httpx.Client, grants: Grants) -> list[dict[str, float]]:
    """What the stand-in says of the day once it is over."""
    headers = {"Authorization": f"Bearer {grants.login()['access_token']}"}
    query = {"symbol": "QQQ", "periodType": "day", "period": "1", "frequencyType": "minute", "frequency": "1"}
    answer = client.get(f"{API}/marketdata/v1/pricehistory", params=query, headers=headers, timeout=60)
    found: list[dict[str, float]] = answer.json()["candles"]
    return found
