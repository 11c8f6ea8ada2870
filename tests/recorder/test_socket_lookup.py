"""The look-up of the 50-level socket's address: its answers count like those of polls, and nothing replaces them."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from tests.recorder.broker import Answer, answer, disconnect, refuse
from tests.recorder.fakes import make_settings, make_token, session_around
from tests.recorder.sockets import SocketBroker, until

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from harvester.commands.run import build_recorder
from harvester.config.segments import refuse_without_hours
from harvester.journal.format import RunInfo
from harvester.ledger.outage import Outage
from harvester.tokens.handover import Token, write_handover

SBIN = "NSE:SBIN-EQ"
NOWHERE = answer(200, json.dumps({"s": "ok", "data": {"socket_url": "http://elsewhere.example"}}).encode())
FIREWALL = answer(403, b"<html>Request blocked</html>")


class Told(NamedTuple):
    """What the status file says, and what the broker saw."""

    outage: Outage
    token: str
    asked: int
    connections: int


async def tell(certificate: tuple[Path, Path], directory: Path, said: Answer, attempts: int) -> Told:
    """Run a recorder in an open session against a broker that says so to the look-up, for so many attempts."""
    asked = 0

    async def look_up(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await said(request)

    broker = SocketBroker(certificate)
    broker.extra_routes["/indus/home/tbtws"] = look_up
    async with broker:
        calendar = session_around(directory / "calendar.json", time.time_ns(), before_seconds=60, after_seconds=600)
        settings = make_settings(
            directory,
            feeds=["fyers-tbt"],
            tbt={"symbols": [SBIN]},
            broker={"api_url": broker.url},
            calendar={"file": str(calendar)},
        )
        expires = time.time() + 3600
        token = Token(Secret(make_token(expires)), "file:1", int(expires) * NS_PER_SECOND)
        write_handover(settings.token.handover, token)
        run = RunInfo("test1", "test", "0", {0: SBIN})
        hours = TradingCalendar.load(calendar)
        recorder, client = build_recorder(refuse_without_hours(settings, hours), run, hours, None, None)
        task = asyncio.create_task(recorder.run())
        status: dict[str, Any] = {}

        def has_tried() -> bool:
            with suppress(FileNotFoundError):
                status.update(json.loads(settings.status_file.read_bytes()))
            (connection,) = status.get("feeds", {}).get("fyers-tbt", {}).get("connections") or [{"attempt": 0}]
            return connection["attempt"] >= attempts and connection["state"] == "waiting"

        await until(has_tried)
        recorder.stop()
        await task
        await client.close()
    connection = status["feeds"]["fyers-tbt"]["connections"][0]
    outage = Outage(connection["cause"], connection["detail"])
    return Told(outage, status["token"]["state"], asked, broker.connections("/tbt"))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("said", "cause", "detail", "token"),
    [
        (answer(429, b"", **{"Retry-After": "600"}), "rate_limited", "HTTP 429", "ok"),
        (refuse(-16), "token_refused", "code -16: refused for the test", "refused"),
        (FIREWALL, "refused", "HTTP 403", "ok"),
        (answer(503), "server_error", "HTTP 503", "ok"),
        (disconnect, "disconnect", "ConnectionResetError", "ok"),
        (NOWHERE, "bad_response", "HTTP 200 without the socket's address", "ok"),
    ],
)
def test_an_answer_that_is_no_address_ends_the_attempt_with_its_cause(
    certificate: tuple[Path, Path], tmp_path: Path, said: Answer, cause: str, detail: str, token: str
) -> None:
    told = asyncio.run(tell(certificate, tmp_path, said, 1))

    assert told.outage.cause == cause
    assert detail in told.outage.detail
    assert (told.token, told.connections) == (token, 0)


@pytest.mark.usefixtures("trusted")
def test_a_rate_limit_told_to_the_look_up_is_obeyed_by_the_next(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    told = asyncio.run(tell(certificate, tmp_path, answer(429, b"", **{"Retry-After": "600"}), 2))

    assert (told.outage.cause, told.asked) == ("rate_limited", 1)
