"""The recorder as systemd runs it: a real process, a real broker on loopback, a real notify socket."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.conftest import Figure
from tests.recorder.bench import JournalView
from tests.recorder.broker import FakeBroker, answer, answer_well, disconnect, refuse
from tests.recorder.fakes import make_token, session_around
from tests.service.process import COMMAND, FIVE, kib, serving

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local

INTERVAL_NS = NS_PER_SECOND


def ledger_table(directory: Path, symbol: str) -> list[str]:
    """Fates of the slots of the one window in the configuration's calendar."""
    calendar = json.loads((directory / "cal.json").read_text())["special_sessions"][0]
    bounds = calendar["phases"]["continuous"][0]
    midnight = midnight_ns(to_local(time.time_ns()).date())
    opens, closes = (
        midnight + sum(int(part) * unit for part, unit in zip(text.split(":"), (3600, 60, 1), strict=True)) * 10**9
        for text in bounds
    )
    return JournalView(directory / "data" / "journal").table(symbol, (opens, closes), INTERVAL_NS)


def test_a_session_of_real_time_on_schedule_and_within_memory(
    tmp_path: Path, certificate: tuple[Path, Path], figure: Figure
) -> None:
    async def story() -> dict[str, Any]:
        async with serving(tmp_path, certificate, opens_in=3600, seconds=3700) as service:
            await service.wait_for("not status['window']['open']", 60)
            session_around(tmp_path / "cal.json", time.time_ns(), before_seconds=-8, after_seconds=18)
            await service.wait_for("status['window']['open']")
            status = await service.wait_for("not status['window']['open']", 60)
            memory = Path(f"/proc/{service.process.pid}/status").read_text()
            figure("recorder_rss_mib", kib(memory, "VmHWM") / 1024, bound="<= 40", unit="MiB", gate=True)
            figure("poll_deviation_p99_ms", status["deviation_ms"]["p99"], bound="<= 50", unit="ms")
            health = service.run("health", "--json")
            assert health.returncode == 0, health.stdout
            code, seconds = await service.end()
            assert code == 0
            assert seconds < 5
            assert service.notices[0].startswith("READY=1")
            assert any(notice.startswith("WATCHDOG=1") for notice in service.notices)
            assert service.notices[-1].startswith("STOPPING=1")
            return status

    status = asyncio.run(story())

    assert {symbol["updates"] for symbol in status["symbols"].values()} == {10}
    for symbol in FIVE:
        assert ledger_table(tmp_path, symbol) == ["data"] * 10


def test_trouble_rotation_and_stop_leave_no_silent_slot(
    tmp_path: Path, certificate: tuple[Path, Path], figure: Figure
) -> None:
    async def story() -> None:
        async with serving(tmp_path, certificate, seconds=60) as service:
            broker = service.broker
            dead, living = make_token(time.time() + 3600), make_token(time.time() + 7200)
            await service.wait_for("all(symbol['updates'] >= 2 for symbol in status['symbols'].values())")
            broker.answer = answer(500, b"oops")
            await service.wait_for("len(status['open_gaps']) == 5")
            await service.wait_until_unhealthy()
            broker.answer = disconnect
            await service.wait_for("all(gap['cause'] == 'disconnect' for gap in status['open_gaps'])")
            broker.answer = answer_well
            await service.wait_for("not status['open_gaps']")
            broker.accepts = {dead, living}
            service.hand_over(dead, "file:00000002")
            await service.wait_for("status['token']['version'] == 'file:00000002'")
            broker.accepts = {living}
            await service.wait_for("status['token']['state'] == 'refused'")
            before = len(broker.depth_calls)
            await asyncio.sleep(2.5)
            assert len(broker.depth_calls) - before <= 5, "a refused token is not tried again at every slot"
            service.hand_over(living, "file:00000003")
            await service.wait_for("status['token']['state'] == 'ok' and not status['open_gaps']", 5)
            code, _ = await service.end()
            assert code == 0

    asyncio.run(story())

    tables = {symbol: ledger_table(tmp_path, symbol) for symbol in FIVE}
    silent = sum(fates.count("SILENT") for fates in tables.values())
    after_stop = sum(1 for fates in tables.values() if fates[-1] != "stopped")
    figure("recorder_silent_slots", silent + after_stop, bound="== 0", unit="slots", gate=True)
    for fates in tables.values():
        assert "CONTRADICTION" not in fates
        assert {"data", "server_error", "disconnect", "token_refused", "stopped"} <= set(fates)
    log = (tmp_path / "log").read_text()
    assert make_token(0)[:30] not in log, "no token in the log"


def test_a_symbol_that_is_refused_and_a_firewall_cost_the_others_nothing(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    blocked = {"NSE:SBIN-EQ"}

    async def behave(request: web.Request) -> web.StreamResponse:
        symbol = request.query["symbol"]
        if symbol == "NSE:INFY-EQ":
            return await refuse(-403, status=403)(request)
        if symbol in blocked:
            blocked.remove(symbol)
            return web.Response(status=403, text="<html>Request blocked</html>", content_type="text/html")
        return await answer_well(request)

    async def story() -> None:
        broker = FakeBroker(certificate)
        broker.answer = behave
        async with serving(tmp_path, certificate, seconds=60, broker=broker) as service:
            status = await service.wait_for("status['symbols']['NSE:HDFCBANK-EQ']['updates'] >= 6")
            assert status["token"]["state"] == "ok"
            assert [(gap["symbol"], gap["cause"]) for gap in status["open_gaps"]] == [("NSE:INFY-EQ", "refused")]
            await service.end()

    asyncio.run(story())

    fates = {symbol: set(ledger_table(tmp_path, symbol)) - {"not_started", "stopped"} for symbol in FIVE}
    assert fates.pop("NSE:INFY-EQ") == {"refused"}
    assert fates.pop("NSE:SBIN-EQ") == {"refused", "data"}
    assert all(words == {"data"} for words in fates.values())


def test_a_second_recorder_is_refused_within_a_second_or_two(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def story() -> None:
        async with serving(tmp_path, certificate) as service:
            await service.wait_for("status['window']['open']")
            second = service.run("run")
            assert second.returncode == 1
            assert "another" in second.stderr
            assert "Traceback" not in second.stderr
            await service.wait_for("all(symbol['updates'] >= 3 for symbol in status['symbols'].values())")

    asyncio.run(story())


def test_a_killed_recorder_starts_again_and_accounts_for_its_absence(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async def story() -> None:
        async with serving(tmp_path, certificate, seconds=40) as service:
            await service.wait_for("all(symbol['updates'] >= 2 for symbol in status['symbols'].values())")
            service.process.kill()
            await service.process.wait()
            await asyncio.sleep(2.2)
        (tmp_path / "notify").unlink()
        (tmp_path / "status.json").unlink()
        calendar = (tmp_path / "cal.json").read_bytes()
        async with serving(tmp_path, certificate, seconds=40) as service:
            (tmp_path / "cal.json").write_bytes(calendar)
            await service.wait_for("all(symbol['updates'] >= 2 for symbol in status['symbols'].values())")
            await service.end()

    asyncio.run(story())

    for symbol in FIVE:
        fates = ledger_table(tmp_path, symbol)
        assert "SILENT" not in fates
        assert "not_running" in fates


def test_foreground_debug_shows_each_poll(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def story() -> str:
        async with serving(tmp_path, certificate) as service:
            await service.end()
            (tmp_path / "status.json").unlink(missing_ok=True)
            environment = {
                **os.environ,
                "SSL_CERT_FILE": str(certificate[0]),
                "HARVESTER_CONFIG": str(tmp_path / "config.json"),
            }
            process = await asyncio.create_subprocess_exec(
                *COMMAND, "run", "--foreground", "--debug", env=environment, stdout=subprocess.PIPE
            )
            await service.wait_for("all(symbol['updates'] >= 2 for symbol in status['symbols'].values())")
            process.terminate()
            output, _ = await process.communicate()
            return output.decode()

    output = asyncio.run(story())

    assert "NSE:SBIN-EQ           LTP      845.5  bid        845.45 x 10  ask         845.5 x 20" in output


@pytest.mark.parametrize("module", ["harvester.commands.run", "harvester.commands.token_agent"])
def test_small_processes_import_nothing_heavy(module: str) -> None:
    probe = f"import sys, {module}; print(' '.join(sorted(sys.modules)))"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()

    forbidden = ("boto3", "botocore", "pyarrow", "duckdb", "jinja2", "aiohttp", "fyers_apiv3", "requests", "pandas")
    if module == "harvester.commands.run":
        forbidden += ("pydantic", "httpx", "anyio", "numpy")
    assert not [name for name in modules if name.split(".")[0] in forbidden]
    assert not [name for name in modules if name.startswith(("harvester.lake", "runbook", "harvester.decode"))]
