"""What a text of Schwab's streamer holds: minutes, answers, heartbeats; and what is none of these."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.brokers.bars import Candle, Rejected
from harvester.brokers.schwab.chart import (
    BATCH,
    ROUND,
    Frame,
    Reply,
    StreamedMinute,
    batch_of,
    batches_of,
    read_frame,
    read_streamer,
)

BEGIN_MS = 1_796_049_000_000
"""2026-11-30 09:30 in New York."""


def row(key: Any = "QQQ", **changes: Any) -> dict[str, Any]:
    """A minute as on the wire; `changes` by the number of the field, with an f before it; None: it is missing."""
    values = {"1": 0, "2": 600.005, "3": 600.5, "4": 599.99, "5": 600.0, "6": 12.0, "7": BEGIN_MS, "8": 20_787}
    changed = values | {name[1:]: value for name, value in changes.items()}
    return {"seq": 7, "key": key} | {name: value for name, value in changed.items() if value is not None}


def data(*rows: Any, service: str = "CHART_EQUITY") -> bytes:
    entry = {"service": service, "timestamp": BEGIN_MS + 61_000, "command": "SUBS", "content": [*rows]}
    return json.dumps({"data": [entry]}).encode()


def test_a_minute_is_exact_and_its_fields_are_in_the_order_of_the_wire() -> None:
    assert read_frame(data(row())) == Frame(
        (StreamedMinute("QQQ", Candle(BEGIN_MS // 1000, 6_000_050, 6_005_000, 5_999_900, 6_000_000, 12)),)
    )


def test_minutes_of_several_tickers_in_one_text_are_in_its_order_and_twice_where_they_come_twice() -> None:
    found = read_frame(data(row("SPY"), row(), row("SPY", f7=BEGIN_MS - 60_000), row("SPY")))

    assert found
    assert [(each.symbol, each.candle.begin_s) for each in found.minutes] == [
        ("SPY", BEGIN_MS // 1000),
        ("QQQ", BEGIN_MS // 1000),
        ("SPY", BEGIN_MS // 1000 - 60),
        ("SPY", BEGIN_MS // 1000),
    ]


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"f5": None}, "unreadable"), ({"f6": None}, "unreadable"), ({"f2": "600"}, "unreadable"),
        ({"f6": "12"}, "unreadable"), ({"f6": float("nan")}, "unreadable"), ({"f3": float("inf")}, "unreadable"),
        ({"f6": 1.5}, "unreadable"), ({"f6": -1}, "negative_volume"), ({"f4": 0}, "price_zero"),
        ({"f3": 599.0}, "high_below_low"), ({"f2": True}, "unreadable"), ({"f2": [600]}, "unreadable"),
    ],
)  # fmt: skip
def test_what_is_no_bar_is_rejected_with_its_flaw_and_the_others_stay(changes: dict[str, Any], flaw: str) -> None:
    found = read_frame(data(row(**changes), row("SPY")))

    assert found and found.unknown == 0
    assert [each.candle for each in found.minutes[:1]] == [Rejected(BEGIN_MS // 1000, flaw)]  # type: ignore[arg-type]
    assert isinstance(found.minutes[1].candle, Candle)


@pytest.mark.parametrize("begin", ["1796049000000", BEGIN_MS + 1, BEGIN_MS + 30_000, -60_000, 2**63 * 1000, None])
def test_a_minute_that_does_not_begin_with_one_is_of_no_bar(begin: Any) -> None:
    found = read_frame(data(row(f7=begin)))

    assert found and found.minutes == (StreamedMinute("QQQ", Rejected(None, "unreadable")),)


@pytest.mark.parametrize(
    "payload",
    [
        data(row(key=None)), data(row(key=7)), data(row(key="")), data("QQQ"), data(row(), service="LEVELONE_EQUITIES"),
        b'{"data": [{"service": "CHART_EQUITY"}]}', b'{"data": {}}', b'{"data": [7]}', b'{"snapshot": []}',
        b'{"notify": [7]}', b'{"notify": [{}]}', b'{"response": [{"content": {"code": "0"}}]}',
        b'{"response": [{"content": {"code": true}}]}', b'{"response": [{"content": []}]}',
    ],
)  # fmt: skip
def test_parts_of_another_form_are_counted_as_unknown(payload: bytes) -> None:
    assert read_frame(payload) == Frame(unknown=1)


@pytest.mark.parametrize("payload", [b"", b"[]", b"7", b"<html>", b"\xff", data(row())[:-4]])
def test_what_is_no_object_is_no_frame(payload: bytes) -> None:
    assert read_frame(payload) is None


def test_an_answer_a_heartbeat_and_an_unasked_code_are_told_apart() -> None:
    answer = {
        "service": "CHART_EQUITY", "command": "SUBS", "requestid": "1", "SchwabClientCorrelId": "x",
        "timestamp": BEGIN_MS, "content": {"code": 0, "msg": "SUBS command succeeded"},
    }  # fmt: skip
    stop = {"service": "ADMIN", "timestamp": BEGIN_MS, "content": {"code": 30, "msg": "Stop streaming"}}
    text = json.dumps({"response": [answer], "notify": [{"heartbeat": str(BEGIN_MS)}, stop]}).encode()

    assert read_frame(text) == Frame(
        replies=(
            Reply("CHART_EQUITY", "SUBS", 1, 0, "SUBS command succeeded"),
            Reply("ADMIN", "None", -1, 30, "Stop streaming"),
        ),
    )


@pytest.mark.parametrize(("said", "number"), [("12", 12), (12, 12), ("-1", -1), ("x", -1), ("²", -1), ("9" * 5000, -1)])
def test_the_number_of_a_request_is_one_of_ours_or_none(said: Any, number: int) -> None:
    text = json.dumps({"response": [{"requestid": said, "content": {"code": 0}}]}).encode()

    found = read_frame(text)

    assert found and [reply.request for reply in found.replies] == [number]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "content", "key", "code", "service", "2", "7"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["data", "response", "notify", "x"]), JSON, max_size=4) | JSON)
def test_no_json_raises(value: Any) -> None:
    read_frame(json.dumps(value).encode())
    read_streamer(json.dumps(value).encode())


@given(st.binary(max_size=60))
def test_no_bytes_raise(payload: bytes) -> None:
    read_frame(payload)


@given(st.integers(0, 4 * BATCH), st.integers(0, 3))
def test_every_ticker_is_in_one_request_whose_number_says_which(count: int, again: int) -> None:
    symbols = [f"T{number}" for number in range(count)]

    batches = batches_of(symbols)

    assert [symbol for batch in batches for symbol in batch] == sorted(symbols)
    assert all(0 < len(batch) <= BATCH for batch in batches) and len(batches) <= ROUND
    assert [batch_of(again * ROUND + place + 1) for place in range(len(batches))] == [*range(len(batches))]
    assert (batch_of(0), batch_of(-1)) == (-1, -1)


def test_preferences_without_a_whole_streamer_name_none() -> None:
    info = {
        "streamerSocketUrl": "wss://streamer-api.schwab.com/ws", "schwabClientCustomerId": "c",
        "schwabClientCorrelId": "r", "schwabClientChannel": "IO", "schwabClientFunctionId": "APIAPP",
    }  # fmt: skip

    def read(*infos: Any) -> object:
        return read_streamer(json.dumps({"streamerInfo": [*infos]}).encode())

    assert read(info) == ("wss://streamer-api.schwab.com/ws", "c", "r", "IO", "APIAPP")
    assert read(info, {**info, "schwabClientChannel": "other"}) == read(info), "the first of several"
    for name in info:
        assert read({**info, name: ""}) is None and read({**info, name: None}) is None
    assert read({**info, "streamerSocketUrl": "ws://streamer-api.schwab.com/ws"}) is None
    assert read() is None and read(7) is None
