"""A raw file has answers byte for byte, and is read back to them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.price_feed.layout import read_moment, say_moment
from harvester.price_feed.raw_form import RawAnswer, read_raw, write_raw

NS = 1_000_000_000
AT = 1_795_146_906_040_123_000
SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
ROWS = b"[[1795405500,800.10,801,799.95,1e3,7]]"


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b'{"s":"ok","candles":' + ROWS + b"}", ROWS),
        (b' {"x" : {"candles": [1]} ,\n"candles" :\t' + ROWS + b' , "s":"ok"} ', ROWS),
        (b'{"candles":[1],"s":"ok","candles":' + ROWS + b"}", ROWS),
        (b'{"s":"no_data"}', b"[]"),
        (b'{"s":"no_data","candles":[ ]}', b"[ ]"),
        ('{"s":"ok","é":"\\ud800é","candles":[[1,NaN]]}'.encode(), b"[[1,NaN]]"),
        (b'{"s":"ok","x":"\xed\xa0\x80","candles":[]}', b"[]"),
    ],
    ids=["plain", "spaces and a name within", "a name twice: the last counts", "none", "empty", "not ASCII", "a half"],
)
def test_rows_and_body_are_written_as_they_came(body: bytes, rows: bytes) -> None:
    content = write_raw({SBIN: RawAnswer(AT, body)}, [], AT, "5")
    assert b'"candles":' + rows + b',"timestamp"' in content and b'"api_response":' + body + b"}" in content
    assert f'"total_records":{len(json.loads(rows))},' in content.decode(errors="replace")
    assert read_raw(content, "5") == {SBIN: RawAnswer(AT, body.strip())}


def test_a_body_in_another_encoding_is_written_as_json_reads_it() -> None:
    text = '{"s":"ok","candles":[[1,2]]}'
    for encoding in ("utf-8-sig", "utf-16"):
        assert (
            read_raw(write_raw({SBIN: RawAnswer(AT, text.encode(encoding))}, [], AT, "5"), "5")[SBIN].body
            == text.encode()
        )


def test_failed_symbols_are_those_without_an_answer_in_the_file() -> None:
    content = write_raw({SBIN: RawAnswer(AT, b'{"s":"ok"}')}, ["NSE:TCS-EQ", SBIN, INFY, INFY], AT, "5")
    metadata = json.loads(content)["metadata"]
    assert (metadata["failed_symbols"], metadata["total_symbols_requested"]) == ([INFY, "NSE:TCS-EQ"], 3)
    assert metadata["success_rate_percent"] == 33.33


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"data":[1]}', b'{"data":{"A":1}}', b'{"data":{"A":{"timestamp":"x","resolution":"5"}}}',
        b'{"data":{"A":{"timestamp":"2026-11-23T03:50:06","resolution":"5"}}}', b'{"data":{"A":', b"\xff", b'{"data" 1',
        write_raw({SBIN: RawAnswer(AT, b"{}")}, [], AT, "15"),
    ],
)  # fmt: skip
def test_what_is_no_raw_file_of_this_resolution_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_raw(content, "5")


@given(st.integers(0, 4_000_000_000 * NS))
def test_a_moment_is_read_back_to_the_microsecond(wall_ns: int) -> None:
    assert read_moment(say_moment(wall_ns)) == wall_ns // 1000 * 1000
