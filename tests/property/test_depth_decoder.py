"""The depth decoder for any bytes and any JSON: a value, never an exception; and exact for every price on paise."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.journals import book

from harvester.brokers.fyers.depth import Depth
from harvester.brokers.fyers.responses import read_depth
from harvester.ledger.outage import Outage

SYMBOL = "NSE:SBIN-EQ"
INT64 = 2**63
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=8), inner, max_size=6)),
    max_leaves=20,
)
NAMES = sorted(book())


def decode(body: bytes, status: int = 200) -> Depth | Outage:
    depth = read_depth(status, body, SYMBOL)
    assert isinstance(depth, Depth | Outage)
    if isinstance(depth, Outage):
        assert depth.detail and depth.detail.isprintable() and len(depth.detail) < 400
    else:
        _check(depth)
    return depth


def _check(depth: Depth) -> None:
    """Whatever was decoded fits the lake's columns."""
    for side in (depth.bids, depth.asks):
        assert len(side) == 5
        for level in side:
            assert level.price is None or 0 <= level.price < INT64
            assert 0 <= level.quantity < INT64 and 0 <= level.orders < 2**31
    for value in depth[:3] + depth[5:]:
        assert value is None or 0 <= value < INT64


@examples(150)
@given(st.binary(max_size=400), st.integers(0, 65_535))
def test_any_bytes(body: bytes, status: int) -> None:
    decode(body, status)


@examples(150)
@given(ANY_JSON)
def test_any_json(value: Any) -> None:
    decode(json.dumps(value).encode())


@examples(150)
@given(st.dictionaries(st.sampled_from(["s", "code", "d", "message"]), ANY_JSON))
def test_any_answer(value: dict[str, Any]) -> None:
    decode(json.dumps({"s": "ok", **value}).encode())


@examples(300)
@given(st.dictionaries(st.sampled_from(NAMES), ANY_JSON, max_size=3), st.lists(st.sampled_from(NAMES), max_size=2))
def test_any_change_to_a_good_book(changes: dict[str, Any], without: list[str]) -> None:
    changed = {name: value for name, value in {**book(), **changes}.items() if name not in without}
    decode(json.dumps({"s": "ok", "d": {SYMBOL: changed}}).encode())


@examples(150)
@given(st.data())
def test_any_cut_or_flip_of_a_good_answer(data: st.DataObject) -> None:
    body = bytearray(json.dumps({"s": "ok", "d": {SYMBOL: book()}}).encode())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    decode(bytes(body[: data.draw(st.integers(0, len(body)))]))


@examples(200)
@given(st.integers(0, 10**12), st.integers(0, 4))
def test_every_price_in_paise_is_exact_however_it_is_written(paise: int, zeros: int) -> None:
    rupees = f"{paise // 100}.{paise % 100:02d}" + "0" * zeros
    for text in (rupees, repr(float(Decimal(paise) / 100)) if paise < 10**11 else rupees):
        body = json.dumps({"s": "ok", "d": {SYMBOL: book()}}).replace('"ltp": 800.15', f'"ltp": {text}')
        depth = decode(body.encode())
        assert isinstance(depth, Depth)
        assert depth.ltp == paise
