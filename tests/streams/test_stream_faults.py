"""Faults of the socket feeds: kills, a full disk, half-open sockets, one connection of two down, polls in need."""

import asyncio
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.recorder.fakes import session_around
from tests.recorder.sockets import SocketBroker, until, welcome
from tests.service.process import Service, serving
from tests.streams.audit import Audit
from tests.streams.streaming import BOTH, HSM, SBIN, covered, record, seen_until, snapshot_of, take_in

from harvester.base.clock import NS_PER_SECOND
from harvester.capture.history import DayHistory
from harvester.journal.format import FYERS_HSM, FYERS_REST, FYERS_TBT


@pytest.mark.long
def test_a_half_open_socket_is_noticed_outside_trading_and_costs_no_gap(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    connections = "status['feeds']['fyers-hsm']['connections']"

    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for(f"'fyers-hsm' in status['feeds'] and {connections} and {connections}[0]['missing'] == 0")
        await asyncio.sleep(4)  # a ping has been answered
        broker.is_mute = True
        for socket in broker.sockets.values():
            assert socket._req
            assert socket._req.transport
            socket._req.transport.pause_reading()
        await until(lambda: broker.connections("/hsm") == 2)
        broker.is_mute = False
        await service.wait_for(f"{connections}[0]['attempt'] == 2 and {connections}[0]['missing'] == 0")
        session_around(tmp_path / "cal.json", time.time_ns(), before_seconds=-2, after_seconds=60)
        await service.wait_for("status['window']['open']")
        await take_in(service)

    ahead = {"connect_before_seconds": 3600}
    audit, _ = record(tmp_path, certificate, story, opens_in=3500, seconds=3600, **HSM | ahead)

    first = audit.of(FYERS_HSM)[0]
    assert first.end
    assert first.end["cause"] == "mute"
    assert "ping" in first.end["detail"]
    assert audit.causes(SBIN, FYERS_HSM) == ["stopped"], "covered before the window opened"


@pytest.mark.long
def test_one_of_two_connections_down_is_no_gap(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()}")
        await until(lambda: broker.connections("/hsm") == 2)
        await take_in(service)
        for _ in range(3):
            first = min((key for key in broker.sockets if not broker.sockets[key].closed), key=lambda key: key[1])
            before = broker.connections("/hsm")
            transport = broker.sockets[first]._req
            assert transport
            assert transport.transport
            transport.transport.abort()
            await until(lambda: broker.connections("/hsm") > before)  # noqa: B023 - waited for in this turn
            await service.wait_for(covered())
            await take_in(service)

    hsm = HSM["hsm"]
    audit, _ = record(tmp_path, certificate, story, **HSM | {"hsm": lambda url: hsm(url) | {"redundant": True}})

    assert {connection.stream for connection in audit.of(FYERS_HSM)} == {0, 1}
    assert len(audit.of(FYERS_HSM)) == 5
    assert audit.causes(SBIN, FYERS_HSM) == ["not_started", "stopped"]


@pytest.mark.long
def test_polls_stand_in_for_a_socket_that_stays_down(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=502)

    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()}")
        await service.wait_for("not status['polling']")
        calls = len(broker.depth_calls)
        broker.handshake = refuse
        broker.cut("/hsm")
        await until(lambda: len(broker.depth_calls) >= calls + 10)
        broker.handshake = welcome
        await service.wait_for(f"not status['polling'] and {covered()}")
        await asyncio.sleep(1.5)  # what had been sent before
        calls = len(broker.depth_calls)
        await take_in(service, updates=30)
        assert len(broker.depth_calls) == calls

    options = {"feeds": ["fyers-rest", "fyers-hsm"], "poll": {"when": "fallback", "fallback_seconds": 1.0}}
    audit, _ = record(tmp_path, certificate, story, **HSM | options)

    assert audit.of_type("window_open")[0]["interval_ns"] is None
    assert audit.of_type("window_open")[0]["feeds"] == [1, 2]
    begun, ended = audit.of_type("polling"), audit.of_type("polling_end")
    stretches = list(zip(begun, ended, strict=True))
    assert audit.polls == 5 * sum((end["to_ns"] - begin["from_ns"]) // begin["interval_ns"] for begin, end in stretches)
    assert audit.polls >= 10
    assert not audit.gaps_of(SBIN, FYERS_REST)


def test_a_kill_is_a_gap_from_the_last_message_to_the_next_snapshot(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    short = BOTH | {"journal": {"segment_seconds": 1}}

    async def story() -> None:
        async with serving(tmp_path, certificate, broker=SocketBroker(certificate), seconds=90, **short) as service:
            await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()} and {covered('fyers-tbt')}")
            await take_in(service, updates=100)
            second = await asyncio.to_thread(service.run, "run")
            assert second.returncode == 1
            assert "another" in second.stderr
            service.process.kill()
            await service.process.wait()
        for name in ("notify", "status.json"):
            (tmp_path / name).unlink()
        calendar = (tmp_path / "cal.json").read_bytes()
        broker = SocketBroker(certificate)
        del broker.extra_routes["/sym_details/NSE_CM.csv"]
        async with serving(tmp_path, certificate, broker=broker, calendar_bytes=calendar, **short) as service:
            await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()} and {covered('fyers-tbt')}")
            await service.end()

    asyncio.run(story())
    audit = Audit(tmp_path / "data" / "journal")

    assert len(audit.of_type("state")) > 3
    (day,) = (path for path in (tmp_path / "data" / "journal").iterdir() if path.name[0] == "2")
    assert know(day) == know(day, whole=True), "reading on from how the recorder stood tells the same"
    for feed in (FYERS_HSM, FYERS_TBT):
        audit.check_gaps(SBIN, feed)
        first, second = audit.of(feed)
        assert audit.causes(SBIN, feed) == ["not_started", "not_running", "stopped"]
        assert audit.gaps_of(SBIN, feed)[1][1] == first.messages[-1][0]
    assert audit.gaps_of(SBIN, FYERS_HSM)[1][2] == snapshot_of(second := audit.of(FYERS_HSM)[1])
    assert second.topics, "known from the journal, though the symbol master could not be had"


def know(day: Path, *, whole: bool = False) -> list[Any]:
    """What a start would know of the day, from the last segments alone or from all."""
    history = DayHistory(NS_PER_SECOND)
    history.read(day, whole=whole)
    return [
        (number, feed.accounted[SBIN], sorted(feed.opened), feed.topics.get(SBIN))
        for number, feed in sorted(history.feeds.items())
        if number != FYERS_REST
    ]


async def hold_failing(service: Service) -> None:
    """Stop the recorder while it says that the journal fails: it tries again sooner than health is looked at."""
    service.process.send_signal(signal.SIGSTOP)
    while not service.status["journal"]["failure"]:
        service.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.2)
        service.process.send_signal(signal.SIGSTOP)


def test_a_disk_that_is_full_before_the_opening_is_the_cause(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def story(service: Service, broker: SocketBroker) -> None:
        status = await service.wait_for("status['window']['open'] and status['open_gaps']")
        assert {gap["cause"] for gap in status["open_gaps"]} == {"disk_full"}

    full: dict[str, Any] = {"disk_reserve_bytes": 1 << 60, "connect_before_seconds": 1}
    audit, broker = record(tmp_path, certificate, story, opens_in=6, **full, **HSM)

    assert audit.causes(SBIN, FYERS_HSM) == ["disk_full", "stopped"]
    assert broker.connections("/hsm") == 0, "nothing could be kept"


def test_a_full_disk_stops_loudly_and_recording_resumes(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()}")
        await take_in(service)
        pid, unlimited = service.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (service.status["journal"]["bytes"] + 4000, unlimited[1]))
        await service.wait_for("status['journal']['failure'] and status['open_gaps']")
        assert {gap["cause"] for gap in service.status["open_gaps"]} == {"disk_full"}
        await hold_failing(service)
        await service.wait_until_unhealthy()
        service.process.send_signal(signal.SIGCONT)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        await service.wait_for(f"not status['journal']['failure'] and {covered()}")
        await take_in(service)

    audit, broker = record(tmp_path, certificate, story, **HSM)

    audit.check_gaps(SBIN, FYERS_HSM)
    causes = audit.causes(SBIN, FYERS_HSM)
    assert causes[0] == "not_started"
    assert set(causes[1:-1]) == {"disk_full"}
    first, last = audit.of(FYERS_HSM)[0], audit.of(FYERS_HSM)[-1]
    assert seen_until(first, broker.pinged["/hsm", 0], audit.gaps_of(SBIN, FYERS_HSM)[1][1])
    assert audit.gaps_of(SBIN, FYERS_HSM)[-2][2] == snapshot_of(last)
    assert "journal_failed" in (tmp_path / "log").read_text()
