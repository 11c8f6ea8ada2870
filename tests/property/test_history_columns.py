"""Answers with many days read quickly are what the recorder's reader makes of them, candle by candle."""

import json
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from harvester.brokers.fyers.history import judge_history, judge_range, read_history
from harvester.decode.history import Columns, read_columns
from harvester.ledger.outage import Outage

PAISE = st.integers(1, 10**9).map(lambda paise: f"{paise // 100}.{paise % 100:02d}")
ODD_PRICES = ["800", "0", "0.0", "-1", "1e3", "800.125", "800.1200001", "1e300", "NaN", "null"]
PRICES = st.one_of(PAISE, PAISE, PAISE, st.sampled_from(ODD_PRICES))
COUNTS = st.one_of(st.integers(0, 10**12).map(str), st.sampled_from(["-1", "1.5", "7.0", "9007199254740993", "null"]))
BEGINS = st.one_of(st.integers(0, 2 * 10**9).map(str), st.sampled_from(["-1", "1e9", "x", "99999999999999999999"]))
CANDLES = st.tuples(BEGINS, PRICES, PRICES, PRICES, PRICES, COUNTS).map(lambda row: f"[{','.join(row)}]")
NUMBERS = st.integers(0, 2 * 10**9).map(str)
ORDINARY = st.tuples(NUMBERS, PAISE, PAISE, PAISE, PAISE, NUMBERS).map(
    lambda row: f"[{row[0]},{row[1]},{max(row[1:5], key=float)},{min(row[1:5], key=float)},{row[4]},{row[5]}]"
)  # fmt: skip
BODIES = st.one_of(
    st.lists(ORDINARY, max_size=6),
    st.lists(CANDLES, max_size=6),
    st.lists(st.one_of(ORDINARY, CANDLES, st.sampled_from(["[]", "[1,2]", "7", "[1,1,1,1,1,1,5]"])), max_size=6),
).map(lambda rows: f'{{"s":"ok","candles":[{",".join(rows)}]}}'.encode())
STRANGE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b'{"s":"no_data","candles":[]}', b'{"s":"ok"}', b'{"s":"ok","candles":[],"code":-300}', b"[]"]),
    st.dictionaries(st.sampled_from(["s", "code", "candles"]), st.sampled_from(["ok", 7, [], -8, None])).map(
        lambda value: json.dumps(value).encode()
    ),
)  # fmt: skip


@given(st.one_of(BODIES, BODIES, STRANGE), st.sampled_from([200, 200, 200, 401, 429, 500]))
def test_both_ways_give_the_same(body: bytes, status: int) -> None:
    wanted, found = read_history(status, body), read_columns(status, body)

    if isinstance(wanted, Outage):
        assert found == wanted
        return
    assert isinstance(found, Columns)
    assert found.rejected == wanted.rejected
    columns: Any = np.array(wanted.candles, np.int64).reshape(-1, 6).T
    assert found.rows.tolist() == columns.tolist()


@given(st.one_of(BODIES, STRANGE), st.sampled_from([200, 200, 401, 429, 500]))
@example(b'{"s":"ok","candles":[[1,8,8,8,8,5]],"code":-300}', 200)
@example(b'{"s":"ok","candles":[[1,8,8,8,8,5]],"code":-16}', 200)
@example(b'{"s":"ok","candles":[],"code":429}', 200)
@example(b'{"s":"ok","candles":[[1,8,8,8,8,5]],"code":200}', 200)
def test_an_answer_is_judged_the_same_with_a_look_at_its_head_alone(body: bytes, status: int) -> None:
    assert judge_range(status, body) == judge_history(status, body)
