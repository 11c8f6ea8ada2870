"""Faults on demand, as a client and the SDK see them, and what the served log says of them."""

import hashlib
import json
import socket
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest

from exchange.client import call_control
from exchange.faults import Armed, Fault, FaultSchedule, parse_faults
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError

DEPTH = {"symbol": "NSE:SBIN-EQ", "ohlcv_flag": 1}


def arm(server, *faults):
    call_control(server.state, "POST", "/faults", json.dumps(faults).encode())


def log_of(server):
    return [json.loads(line) for line in call_control(server.state, "GET", "/log").text.splitlines()]


def test_the_served_log_has_the_hash_of_every_answer(server):
    with server.client() as client:
        bodies = [server.depth(client, symbol).content for symbol in ("NSE:SBIN-EQ", "NSE:NOPE-EQ", "NSE:INFY-EQ")]
    rows = log_of(server)
    assert [row["sha256"] for row in rows] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert [row["bytes"] for row in rows] == [len(body) for body in bodies]
    assert [row["status"] for row in rows] == [200, 400, 200]
    assert all(row["delivered"] and row["fault"] is None for row in rows)
    since = rows[1]["ns"]
    late = call_control(server.state, "GET", f"/log?since_ns={since}").text.splitlines()
    assert [json.loads(line) for line in late] == rows[1:]


def test_an_error_fault_has_its_status_code_and_text_so_many_times(server):
    arm(server, {"action": "error", "status": 503, "code": -50, "message": "closed for lunch", "count": 2})
    sdk = server.sdk()
    assert [sdk.depth(DEPTH)["s"] for _ in range(3)] == ["error", "error", "ok"]
    arm(server, {"action": "error", "status": 503, "code": -50, "message": "closed for lunch", "count": 1})
    assert sdk.depth(DEPTH) == {"s": "error", "code": -50, "message": "closed for lunch"}
    assert [row["fault"] for row in log_of(server)] == ["error", "error", None, "error"]


@pytest.mark.parametrize("seconds", [None, 7])
def test_a_rate_limit_fault_with_and_without_retry_after(server, seconds):
    arm(server, {"action": "rate_limit", "retry_after_seconds": seconds})
    with server.client() as client:
        answer = server.depth(client)
    assert answer.status_code == 429 and answer.json()["code"] == -429
    assert answer.headers.get("Retry-After") == (str(seconds) if seconds else None)


def test_a_fault_meets_only_its_path_and_symbol(server):
    arm(server, {"action": "error", "path": "*/depth", "symbol": "NSE:SBIN-*"})
    sdk = server.sdk()
    assert sdk.depth(DEPTH)["s"] == "error"
    assert sdk.depth(DEPTH | {"symbol": "NSE:INFY-EQ"})["s"] == "ok"
    assert sdk.quotes({"symbols": "NSE:SBIN-EQ"})["s"] == "ok"


def test_a_fault_begins_after_so_many_requests_and_ends_after_so_many(server):
    arm(server, {"action": "error", "after_requests": 2, "count": 1, "path": "*/depth"})
    sdk = server.sdk()
    assert [sdk.depth(DEPTH)["s"] for _ in range(4)] == ["ok", "ok", "error", "ok"]


def test_a_fault_begins_and_ends_by_time(server):
    moment = [0]

    class Hand:
        def mono_ns(self):
            return moment[0] * NS_PER_SECOND

    schedule = FaultSchedule(Hand())
    schedule.arm(parse_faults('{"action": "html", "at_seconds": 10, "duration_seconds": 5}', "test"))
    seen = []
    for moment[0] in (0, 9, 10, 14, 15, 99):
        seen.append(len(schedule.match("/data/depth", ["NSE:SBIN-EQ"])))
    assert seen == [0, 0, 1, 1, 0, 0]


def test_slow_answers_late_and_whole(server):
    arm(server, {"action": "slow", "delay_seconds": 0.4})
    with server.client() as client:
        began = time.monotonic()
        answer = server.depth(client)
    assert time.monotonic() - began >= 0.4 and answer.json()["s"] == "ok"


def test_hang_accepts_and_never_answers(server):
    arm(server, {"action": "hang", "name": "mute"})
    with server.client() as client, pytest.raises(httpx.ReadTimeout):
        server.depth(client, timeout=0.5)
    deadline = time.monotonic() + 5
    while not log_of(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    row = log_of(server)[0]
    assert (row["status"], row["fault"], row["delivered"], row["sha256"]) == (0, "mute", False, None)


def test_garbage_is_labelled_json_and_is_not(server):
    arm(server, {"action": "garbage", "size_bytes": 300})
    with server.client() as client:
        answer = server.depth(client)
    assert answer.headers["content-type"].startswith("application/json") and len(answer.content) == 300
    with pytest.raises(ValueError):
        answer.json()
    assert log_of(server)[0]["sha256"] == hashlib.sha256(answer.content).hexdigest()


def test_noise_is_other_noise_each_time_and_the_same_in_each_run():
    fault = Fault(action="garbage_frame", size_bytes=33)
    first, again, second = (Armed(fault, 0, used=used).noise(64) for used in (1, 1, 2))
    assert first == again != second and len(first) == 33
    assert len(Armed(Fault(action="garbage"), 0).noise(512)) == 512


def test_an_html_body_becomes_the_sdks_bad_request(server):
    arm(server, {"action": "html", "status": 502})
    answer = server.sdk().depth(DEPTH)
    assert answer["s"] == "error" and answer["code"] == 502 and answer["message"] == "Bad request"


def test_huge_is_huge(server):
    arm(server, {"action": "huge", "size_bytes": 3_000_000})
    with server.client() as client:
        assert len(server.depth(client).content) > 3_000_000


def test_truncate_announces_more_than_it_sends(server):
    arm(server, {"action": "truncate", "count": 1})
    with server.client() as client, pytest.raises(httpx.RemoteProtocolError):
        server.depth(client)
    row = log_of(server)[0]
    assert row["status"] == 200 and row["delivered"] is False and row["bytes"] > 0


def test_reset_breaks_the_connection_and_the_next_request_works(server):
    arm(server, {"action": "reset", "count": 1})
    with server.client() as client:
        with pytest.raises(httpx.TransportError):
            server.depth(client)
        assert server.depth(client).status_code == 200
    assert [row["status"] for row in log_of(server)] == [0, 200]


def test_the_date_header_can_be_wrong(server):
    arm(server, {"action": "date", "offset_seconds": -300})
    with server.client() as client:
        answer = server.depth(client)
    said = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert said == pytest.approx(time.time() - 300, abs=3) and answer.json()["s"] == "ok"


def can_connect(server):
    try:
        socket.create_connection(("127.0.0.1", server.exchange.listener.port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_for(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("action", ["refuse", "restart"])
def test_the_listener_goes_away_and_comes_back_on_its_port(server, action):
    port = server.exchange.listener.port
    with server.client() as client:
        assert server.depth(client).status_code == 200
        arm(server, {"action": action, "duration_seconds": 0.5})
        wait_for(lambda: not can_connect(server))
        with pytest.raises(httpx.TransportError):
            server.depth(client)
        wait_for(lambda: can_connect(server))
        assert server.depth(client).status_code == 200
    assert server.exchange.listener.port == port


def test_revoke_ends_the_tokens_of_the_moment(server):
    sdk = server.sdk()
    arm(server, {"action": "revoke", "after_requests": 1})
    assert [sdk.get_profile()["s"], sdk.get_profile()["s"]] == ["ok", "ok"]
    wait_for(lambda: sdk.get_profile()["s"] == "error")
    assert sdk.get_profile()["code"] == -17 and server.sdk().get_profile()["s"] == "ok"


def test_clear_forgets_everything(server):
    arm(server, {"action": "error"})
    call_control(server.state, "DELETE", "/faults")
    assert server.sdk().depth(DEPTH)["s"] == "ok"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('[{"action": "explode"}]', r"faults\[0\]\.action"),
        ('{"action": "slow", "seconds": 3}', "unknown key"),
        ('{"action": "refuse"}', "duration_seconds"),
        ("{", "not valid JSON"),
        ('{"action": "error", "count": -1}', "count"),
    ],
)
def test_a_wrong_script_is_refused_by_key(server, script, words):
    with pytest.raises(ConfigError, match=words):
        parse_faults(script, "script.json")


def test_a_script_at_the_start_counts_from_the_start(start):
    server = start(faults=parse_faults('{"action": "error", "count": 1, "path": "*/profile"}', "test"))
    assert [server.sdk().get_profile()["s"] for _ in range(2)] == ["error", "ok"]
