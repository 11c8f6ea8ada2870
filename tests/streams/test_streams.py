"""The socket feeds as systemd runs them: a real process, real TLS sockets, and the journal judged afterwards."""

import asyncio
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.conftest import Figure
from tests.recorder.fakes import make_token
from tests.recorder.sockets import SocketBroker, until, welcome
from tests.service.process import FIVE, Service, kib
from tests.streams.audit import NEVER
from tests.streams.streaming import BOTH, HSM, INDEX, SBIN, covered, record, seen_until, snapshot_of, take_in

from harvester.journal.format import FYERS_HSM, FYERS_TBT


def test_both_sockets_are_recorded_byte_for_byte_and_gaps_have_exact_bounds(
    tmp_path: Path, certificate: tuple[Path, Path], figure: Figure
) -> None:
    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for(f"'fyers-hsm' in status['feeds'] and {covered()}")
        await service.wait_for(covered("fyers-tbt"))
        await broker.send("/hsm", "a text, which this socket never has")
        await broker.send("/hsm", b"\x00\x05\x63what is this")
        await broker.send("/hsm", b"\x00")
        await broker.send("/tbt", b"\xff\xff\xff garbage")
        await take_in(service)
        broker.cut("/hsm")
        broker.cut("/tbt")
        await until(lambda: broker.connections("/hsm") == broker.connections("/tbt") == 2)
        await service.wait_for(f"{covered()} and {covered('fyers-tbt')}")
        await take_in(service)
        health = await asyncio.to_thread(service.run, "health")
        assert health.returncode == 0, health.stdout
        memory = Path(f"/proc/{service.process.pid}/status").read_text()
        figure("recorder_rss_mib_5", kib(memory, "VmHWM") / 1024, bound="<= 40", unit="MiB", gate=True)

    options: dict[str, Any] = BOTH | {"symbols": FIVE}
    hsm = options["hsm"]
    options["hsm"] = lambda url: hsm(url) | {"index_symbols": [INDEX]}
    audit, broker = record(tmp_path, certificate, story, **options)

    for feed, path in ((FYERS_HSM, "/hsm"), (FYERS_TBT, "/tbt")):
        connections = audit.of(feed)
        assert len(connections) == 2
        for number, connection in enumerate(connections):
            sent = broker.sent[path, number]
            assert connection.payloads == sent[: len(connection.messages)]
            assert len(connection.messages) >= len(sent) - 2, "what was in flight at the end"
    first, second = audit.of(FYERS_HSM)
    assert first.end
    assert first.end["cause"] == "disconnect"
    assert first.topics["sf|nse_cm|3045"] == first.topics["dp|nse_cm|3045"] == SBIN
    assert first.topics["if|nse_cm|Nifty 50"] == INDEX
    left = next(wall for wall, control in audit.timed if control is second.end)
    for symbol in (*FIVE, INDEX):
        audit.check_gaps(symbol, FYERS_HSM)
        assert audit.causes(symbol, FYERS_HSM) == ["not_started", "disconnect", "stopped"]
        opening, cut, stopped = audit.gaps_of(symbol, FYERS_HSM)
        assert opening == ("not_started", audit.window()[0], snapshot_of(first))
        assert (cut[0], cut[2]) == ("disconnect", snapshot_of(second))
        assert seen_until(first, broker.pinged["/hsm", 0], cut[1])
        assert (stopped[0], stopped[2]) == ("stopped", NEVER)
        assert second.messages[-1][0] <= stopped[1] <= left, "until the server's goodbye all was seen"
    assert audit.causes(SBIN, FYERS_TBT) == ["not_started", "disconnect", "stopped"]
    assert {"type": "text", "feed": 2, "stream": 0, "text": "a text, which this socket never has"} in audit.controls
    assert "pong" not in str(audit.of_type("text"))
    assert "k" * 56 in broker.keys
    assert "kkkk" not in (tmp_path / "log").read_text()


def test_refusals_a_new_token_and_a_message_too_large(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=503, body=b"<html>closed for the day</html>", content_type="text/html")

    async def story(service: Service, broker: SocketBroker) -> None:
        await service.wait_for("any(gap['cause'] == 'server_error' for gap in status['open_gaps'])")
        broker.handshake, broker.authenticates = welcome, False
        await service.wait_for("any(gap['cause'] == 'refused' for gap in status['open_gaps'])")
        await service.wait_until_unhealthy()
        broker.authenticates = True
        await service.wait_for(covered())
        await take_in(service, updates=80)
        service.hand_over(make_token(time.time() + 7200, hsm_key="n" * 56), "file:00000002")
        await service.wait_for("[one['state'] for one in status['feeds']['fyers-hsm']['connections']]"
                               " == ['idle', 'subscribed']")  # fmt: skip
        await take_in(service)
        made = broker.connections("/hsm")
        await broker.send("/hsm", bytes(2_000_000))
        await until(lambda: broker.connections("/hsm") > made)  # the status may miss the moment without one
        await take_in(service)
        await service.wait_for(covered())

    broker = SocketBroker(certificate)
    broker.handshake = refuse
    audit, _ = record(tmp_path, certificate, story, broker, **HSM)

    audit.check_gaps(SBIN, FYERS_HSM)
    causes = audit.causes(SBIN, FYERS_HSM)
    assert causes[-2:] == ["bad_response", "stopped"], causes
    assert set(causes[:-2]) == {"not_started", "server_error", "refused"}, "no gap for the new token"
    old, new = audit.of(FYERS_HSM)[-3:-1]
    assert (old.stream, new.stream) == (0, 1)
    left = next(wall for wall, control in audit.timed if control is old.end)
    assert left > snapshot_of(new), "the old connection was left once the new one delivered"
    assert broker.keys[-1] == "n" * 56
    assert audit.of_type("oversize") == [{"type": "oversize", "feed": 2, "stream": 1, "bytes": 2_000_000}]
    log = (tmp_path / "log").read_text()
    assert "nnnn" not in log
    assert "Traceback" not in log
