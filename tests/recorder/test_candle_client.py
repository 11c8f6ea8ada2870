"""Requests for candles over the REST client: what is asked, and what an answer becomes."""

import asyncio
import ssl
from datetime import date
from pathlib import Path

from aiohttp import web
from tests.recorder.broker import FakeBroker, answer
from tests.recorder.fakes import APP_ID, SYMBOLS

from harvester.base.clock import SystemClock
from harvester.base.redaction import Secret
from harvester.brokers.fyers.candles import BODY_LIMIT, FyersCandles
from harvester.brokers.fyers.history import PATH
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.protocol import PollResult
from harvester.config.broker import BrokerSettings
from harvester.journal.format import CandlePoll, decode_candles, encode_candles

TOKEN = Secret("header.payload.signature")
BODY = b'{"s":"ok","candles":[[1759895100,1384.8,1386.9,1378.8,1382.4,255869]]}'


def ask(certificate: tuple[Path, Path], respond: object, seen: list[dict[str, str]]) -> PollResult:
    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.query) | {"authorization": request.headers["authorization"]})
        found: web.StreamResponse = await respond(request)  # type: ignore[operator]
        return found

    async def play() -> PollResult:
        broker = FakeBroker(certificate)
        broker.extra_routes[PATH] = note
        async with broker:
            settings = BrokerSettings(APP_ID, broker.url, broker.url)
            tls = ssl.create_default_context(cafile=str(certificate[0]))
            client = FyersRestClient(settings, timeout_seconds=20, tls=tls, clock=SystemClock())
            try:
                return await FyersCandles(client, "5").fetch(SYMBOLS[0], date(2026, 11, 20), 7, TOKEN)
            finally:
                await client.close()

    return asyncio.run(play())


def test_a_request_names_the_day_and_the_body_is_what_came(certificate: tuple[Path, Path]) -> None:
    seen: list[dict[str, str]] = []
    result = ask(certificate, answer(200, BODY), seen)

    assert (result.symbol, result.scheduled_ns, result.status, result.body) == (SYMBOLS[0], 7, 200, BODY)
    assert result.outage is None
    assert seen == [
        {
            "symbol": SYMBOLS[0], "resolution": "5", "date_format": "1", "range_from": "2026-11-20",
            "range_to": "2026-11-20", "cont_flag": "1", "authorization": f"{APP_ID}:header.payload.signature",
        }
    ]  # fmt: skip


def test_a_refusal_has_its_cause_and_a_retry_its_time(certificate: tuple[Path, Path]) -> None:
    body = b'{"s":"error","code":-429,"message":"request limit reached"}'
    result = ask(certificate, answer(429, body, **{"Retry-After": "3"}), [])
    assert result.outage and result.outage.cause == "rate_limited" and result.retry_after_seconds == 3


def test_a_body_that_no_record_can_hold_is_no_answer(certificate: tuple[Path, Path]) -> None:
    result = ask(certificate, answer(200, b" " * (BODY_LIMIT + 1)), [])
    assert result.outage and result.outage.cause == "bad_response" and result.body == b""


def test_what_is_journalled_is_read_again() -> None:
    poll = CandlePoll(1, 2, 200, 300, BODY)
    assert decode_candles(encode_candles(poll)) == poll
    assert decode_candles(encode_candles(poll)[:21]) is None
