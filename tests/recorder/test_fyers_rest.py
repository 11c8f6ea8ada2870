"""The REST client against a broker that misbehaves: every poll ends in time, with its cause and never with a raise."""

import asyncio
import resource
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.recorder.broker import (
    Answer,
    FakeBroker,
    answer,
    answer_well,
    cut_short,
    depth_body,
    disconnect,
    never_answer,
    once_a_connection,
    refuse,
    send_for_ever,
    send_too_much,
)
from tests.recorder.fakes import APP_ID, SYMBOLS

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.redaction import Secret, register_secret
from harvester.brokers.fyers.responses import judge_depth, judge_profile
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.protocol import PollResult
from harvester.brokers.rest import read_date, read_retry_after
from harvester.config.broker import BrokerSettings
from harvester.ledger.outage import Cause

SBIN = SYMBOLS[0]
TOKEN = Secret("header.payload.signature")
PATIENT, IMPATIENT = 30.0, 0.6
"""Seconds until a poll is given up: what is answered is not given up on a busy machine, what is not waits briefly."""


def poll(
    certificate: tuple[Path, Path],
    behaviour: Answer = answer_well,
    story: Callable[[FyersRestClient, FakeBroker], Awaitable[PollResult]] | None = None,
    seconds: float = PATIENT,
) -> PollResult:
    """One poll of one symbol, or a story of polls, against a broker with this behaviour."""

    async def play() -> PollResult:
        async with FakeBroker(certificate) as broker:
            broker.answer = behaviour
            settings = BrokerSettings(APP_ID, broker.url, broker.url)
            tls = ssl.create_default_context()
            client = FyersRestClient(settings, timeout_seconds=seconds, tls=tls, clock=SystemClock())
            try:
                return await story(client, broker) if story else await client.fetch(SBIN, 7, TOKEN)
            finally:
                await client.close()

    return asyncio.run(play())


def cause_of(result: PollResult) -> Cause | None:
    return result.outage.cause if result.outage else None


def test_a_good_answer_arrives_byte_for_byte_with_its_clocks(trusted: tuple[Path, Path]) -> None:
    before = time.time_ns()

    result = poll(trusted)

    assert (result.outage, result.status, result.body) == (None, 200, depth_body(SBIN))
    assert (result.symbol, result.scheduled_ns) == (SBIN, 7)
    assert before <= result.sent_ns <= result.wall_ns <= time.time_ns()
    assert result.server_date_ns is not None
    assert abs(result.server_date_ns - result.wall_ns) < 3 * NS_PER_SECOND


def test_the_request_is_what_the_broker_documents(trusted: tuple[Path, Path]) -> None:
    seen = {}

    async def look(request):  # type: ignore[no-untyped-def]
        seen.update({name.lower(): value for name, value in request.headers.items()})
        seen.update(path=request.path, query=dict(request.query))
        return await answer_well(request)

    poll(trusted, look)

    assert seen["path"] == "/data/depth"
    assert seen["query"] == {"symbol": SBIN, "ohlcv_flag": "1"}
    assert seen["authorization"] == f"{APP_ID}:header.payload.signature"
    assert seen["version"] == "3"
    assert seen["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        pytest.param(refuse(-8), "token_refused", id="token expired"),
        pytest.param(refuse(-15), "token_refused", id="token invalid"),
        pytest.param(refuse(-16, status=200), "token_refused", id="refusal dressed as HTTP 200"),
        pytest.param(refuse(-17), "token_refused", id="token invalid or expired"),
        pytest.param(answer(401, b"no"), "refused", id="401 without JSON"),
        pytest.param(answer(401, b'{"s": "error", "code": "-8"}'), "refused", id="401 with a code that is no number"),
        pytest.param(refuse(-373, status=403), "refused", id="no permission"),
        pytest.param(refuse(-403, status=403), "refused", id="a segment without permission"),
        pytest.param(refuse(-17, status=403), "token_refused", id="token's code with 403"),
        pytest.param(answer(403, b"<html>Request blocked</html>"), "refused", id="a firewall's 403 in HTML"),
        pytest.param(refuse(-352, status=400), "bad_response", id="invalid app id"),
        pytest.param(refuse(-99, status=200), "bad_response", id="no market data"),
        pytest.param(refuse(-429, status=429), "rate_limited", id="429 in JSON"),
        pytest.param(answer(429, b"<html>slow down</html>"), "rate_limited", id="429 in HTML"),
        pytest.param(answer(500, b"<html>oops</html>"), "server_error", id="500 in HTML"),
        pytest.param(answer(503), "server_error", id="503 and empty"),
        pytest.param(answer(200), "bad_response", id="empty"),
        pytest.param(answer(200, b"<html>maintenance</html>"), "bad_response", id="HTML"),
        pytest.param(answer(200, b"[1, 2]"), "bad_response", id="JSON of another shape"),
        pytest.param(answer(200, b'{"s": "ok", "d": []}'), "bad_response", id="no books"),
        pytest.param(answer(200, depth_body("NSE:OTHER-EQ")), "bad_response", id="another symbol's book"),
        pytest.param(refuse(-300, status=400), "not_listed", id="invalid symbol"),
        pytest.param(answer(302, b"", location="https://localhost:1/"), "bad_response", id="redirect"),
        pytest.param(answer(200, b"[" * 60_000), "bad_response", id="deep nesting"),
        pytest.param(answer(200, b"\x1f\x8b", **{"content-encoding": "gzip"}), "bad_response", id="compressed"),
        pytest.param(send_too_much, "bad_response", id="huge body"),
        pytest.param(never_answer, "timeout", id="slow"),
        pytest.param(send_for_ever, "timeout", id="never-ending body"),
        pytest.param(disconnect, "disconnect", id="connection dropped"),
    ],
)
def test_trouble_has_its_cause_and_ends(trusted: tuple[Path, Path], behaviour: Answer, cause: str) -> None:
    result = poll(trusted, behaviour, seconds=IMPATIENT if cause == "timeout" else PATIENT)

    assert result.outage
    assert result.outage.cause == cause
    assert result.outage.detail
    assert "\n" not in result.outage.detail


def test_a_refused_connection_is_a_disconnect(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        await broker.__aexit__()
        proof = await client.prove_token(TOKEN)
        assert (cause_of(proof), proof.symbol, proof.scheduled_ns) == ("disconnect", "", 0), "of no symbol and no slot"
        return await client.fetch(SBIN, 7, TOKEN)

    result = poll(trusted, story=story)
    assert (cause_of(result), result.symbol, result.scheduled_ns) == ("disconnect", SBIN, 7)


def test_a_half_open_connection_is_given_up_in_time(trusted: tuple[Path, Path]) -> None:
    async def accept_and_ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)
        writer.close()

    async def play() -> PollResult:
        server = await asyncio.start_server(accept_and_ignore, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = BrokerSettings(APP_ID, f"https://localhost:{port}", "")
        client = FyersRestClient(
            settings, timeout_seconds=IMPATIENT, tls=ssl.create_default_context(), clock=SystemClock()
        )
        try:
            return await client.fetch(SBIN, 7, TOKEN)
        finally:
            await client.close()
            server.close()

    assert cause_of(asyncio.run(play())) == "timeout"


def test_a_certificate_nobody_vouches_for_is_refused(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    result = poll(certificate)

    assert result.outage
    assert result.outage.cause == "disconnect"
    assert "CERTIFICATE_VERIFY_FAILED" in result.outage.detail


def test_a_certificate_for_another_host_is_refused(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        settings = BrokerSettings(APP_ID, broker.url.replace("localhost", "ip6-localhost.localdomain"), "")
        other = FyersRestClient(
            settings, timeout_seconds=PATIENT, tls=ssl.create_default_context(), clock=SystemClock()
        )
        try:
            return await other.fetch(SBIN, 7, TOKEN)
        finally:
            await other.close()

    assert cause_of(poll(trusted, story=story)) == "disconnect"


def test_connections_are_kept_and_used_again(trusted: tuple[Path, Path]) -> None:
    peers = set()

    async def look(request):  # type: ignore[no-untyped-def]
        peers.add(request.transport.get_extra_info("peername"))
        return await answer_well(request)

    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        broker.answer = look
        for _ in range(20):
            await client.fetch(SBIN, 7, TOKEN)
        return await client.fetch(SBIN, 7, TOKEN)

    poll(trusted, story=story)

    assert len(peers) == 1


async def twice(client: FyersRestClient, broker: FakeBroker) -> PollResult:
    """The second of two polls, which finds a kept connection."""
    assert (await client.fetch(SBIN, 7, TOKEN)).outage is None
    return await client.fetch(SBIN, 8, TOKEN)


def test_a_kept_connection_that_ends_under_a_request_costs_no_poll(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        result = await twice(client, broker)
        assert len(broker.requests) == 3, "the second was sent again, once"
        return result

    assert poll(trusted, once_a_connection(disconnect), story).outage is None


def test_a_kept_connection_that_the_server_gives_up_in_words_costs_no_poll(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        result = await twice(client, broker)
        assert len(broker.requests) == 3
        return result

    assert poll(trusted, once_a_connection(answer(408)), story).outage is None
    assert cause_of(poll(trusted, answer(408))) == "bad_response", "of a fresh connection it is an answer"


def test_a_request_is_repeated_once_at_most(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        assert (await client.fetch(SBIN, 7, TOKEN)).outage is None
        broker.answer = disconnect
        result = await client.fetch(SBIN, 8, TOKEN)
        assert len(broker.requests) == 3
        return result

    assert cause_of(poll(trusted, answer_well, story)) == "disconnect"


def test_an_answer_that_had_begun_is_not_asked_for_again(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        result = await twice(client, broker)
        assert len(broker.requests) == 2
        return result

    assert cause_of(poll(trusted, once_a_connection(cut_short), story)) == "disconnect"


def test_a_fresh_connection_that_ends_is_not_repeated(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        result = await client.fetch(SBIN, 7, TOKEN)
        assert len(broker.requests) == 1
        return result

    assert cause_of(poll(trusted, disconnect, story)) == "disconnect"


def test_the_feed_works_again_after_every_kind_of_trouble(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        for behaviour in (disconnect, never_answer, send_for_ever, send_too_much, answer(500)) * 3:
            broker.answer = behaviour
            assert (await client.fetch(SBIN, 7, TOKEN)).outage
        broker.answer = answer_well
        for _ in range(50):  # a busy machine may not answer the first in so short a time
            if (result := await client.fetch(SBIN, 7, TOKEN)).outage is None:
                break
        return result

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert poll(trusted, story=story, seconds=IMPATIENT).outage is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024, "bodies are capped"


def test_retry_after_is_read_in_seconds_and_as_a_date(trusted: tuple[Path, Path]) -> None:
    assert poll(trusted, answer(429, b"", **{"retry-after": "17"})).retry_after_seconds == 17
    assert poll(trusted, answer(429)).retry_after_seconds is None
    now = read_date("Wed, 05 Aug 2026 04:30:00 GMT")
    assert now is not None
    assert read_retry_after("Wed, 05 Aug 2026 04:30:30 GMT", now) == 30
    assert [read_retry_after(text, now) for text in ("", "soon", "-5", "1e9", "nan", "inf")] == [
        None,
        None,
        0,
        86_400,
        None,
        86_400,
    ]
    assert read_date("yesterday") is None


def test_the_brokers_words_are_made_harmless() -> None:
    register_secret(Secret("header.payload.signature"))
    body = b'{"s": "error", "code": -15, "message": "bad\\ntoken header.payload.signature \\u001b[31m"}'

    outage = judge_depth(401, body, SBIN)

    assert outage
    assert outage.detail == "HTTP 401, code -15: bad token [redacted] [31m"


def test_a_profile_proves_a_token(trusted: tuple[Path, Path]) -> None:
    async def story(client: FyersRestClient, broker: FakeBroker) -> PollResult:
        assert (await client.prove_token(TOKEN)).outage is None
        broker.accepts = set()
        return await client.prove_token(TOKEN)

    assert cause_of(poll(trusted, story=story)) == "token_refused"


def test_a_firewall_says_nothing_about_the_token_it_stops() -> None:
    outage = judge_profile(403, b"<html>Request blocked</html>")

    assert outage and outage.cause == "refused"
