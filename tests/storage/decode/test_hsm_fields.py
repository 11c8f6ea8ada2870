"""Each field of the data socket against the broker's own map: name, place, price or number, sign, scale, absent value.

The judge is map.json of the unmodified SDK 3.2.0 and what the SDK scales; frames here are packed by hand, byte by byte,
so that no writer of ours shares the decoder's view.
"""

import json
import struct
from dataclasses import astuple
from importlib import resources
from typing import NamedTuple

import pytest
from tests.differential.sdk import SdkHsm
from tests.storage.decode.tables import anew

from harvester.decode import hsm_layout
from harvester.decode.frames import ABSENT
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder, Rows
from harvester.decode.hsm_layout import Kind

UNCHANGED = b"\x80\x00\x00\x00"


class Field(NamedTuple):
    """Our name, the SDK's name (None: it has none), and whether it is a price."""

    name: str
    sdk: str | None
    is_price: bool


def _fields(text: str) -> tuple[Field, ...]:
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(Field(name, None if sdk == "-" else sdk, what == "price") for name, sdk, what in rows)


QUOTE = _fields("""
    ltp             ltp              price
    volume          vol_traded_today number
    ltt             last_traded_time number
    exchange_time   exch_feed_time   number
    bid_qty         bid_size         number
    ask_qty         ask_size         number
    bid_px          bid_price        price
    ask_px          ask_price        price
    ltq             last_traded_qty  number
    total_buy_qty   tot_buy_qty      number
    total_sell_qty  tot_sell_qty     number
    atp             avg_trade_price  price
    oi              OI               number
    low             low_price        price
    high            high_price       price
    year_high       Yhigh            price
    year_low        Ylow             price
    lower_ckt       lower_ckt        price
    upper_ckt       upper_ckt        price
    open            open_price       price
    prev_close      prev_close_price price
""")
INDEX = _fields("""
    ltp             ltp              price
    prev_close      prev_close_price price
    exchange_time   exch_feed_time   number
    high            high_price       price
    low             low_price        price
    open            open_price       price
    year_high       -                price
    year_low        -                price
""")
BOOK = tuple(
    Field(f"{side}_{ours}_{level}", f"{side}_{sdk}{level}", ours == "px")
    for ours, sdk in (("px", "price"), ("qty", "size"), ("ord", "order"))
    for side in ("bid", "ask")
    for level in range(1, 6)
)
FIELDS = {"sf": QUOTE, "dp": BOOK, "if": INDEX}
PLACES = {"sf": 0, "dp": 1, "if": 2}
EACH = [pytest.param(kind, at, id=f"{kind}-{field.name}") for kind in FIELDS for at, field in enumerate(FIELDS[kind])]
SDK_SHOWS_NOT = {"OI", "Yhigh", "Ylow", "lower_ckt", "upper_ckt"}
"""What the SDK drops or replaces by 0; docs/sdk-defects.md, H2 and H3."""


def snapshot(kind: str, words: list[bytes], *, multiplier: int = 1, precision: int = 2, topic_id: int = 7) -> bytes:
    """The entry: S, id, name, values, two bytes that nobody reads, multiplier, precision, three texts."""
    name = f"{kind}|nse_cm|3045".encode()
    head = b"\x53" + topic_id.to_bytes(2, "big") + bytes([len(name)]) + name
    scale = b"\xab\xcd" + multiplier.to_bytes(2, "big") + bytes([precision])
    return head + bytes([len(words)]) + b"".join(words) + scale + b"\x06nse_cm" + b"\x043045" + b"\x07SBIN-EQ"


def update(words: list[bytes], topic_id: int = 7) -> bytes:
    return b"\x55" + topic_id.to_bytes(2, "big") + bytes([len(words)]) + b"".join(words)


def frame(*entries: bytes) -> bytes:
    body = b"\x06" + b"\x00\x00\x00\x01" + len(entries).to_bytes(2, "big") + b"".join(entries)
    return len(body).to_bytes(2, "big") + body


def word(value: int) -> bytes:
    return struct.pack(">i" if value < 0 else ">I", value)


def distinct(kind: str, base: int = 10_001) -> list[bytes]:
    return [word(base + at) for at in range(len(FIELDS[kind]))]


def rows_of(batch: HsmBatch, kind: str) -> Rows:
    others = [len(rows) for number, rows in enumerate(batch.rows) if number != PLACES[kind]]
    assert others == [0, 0], "rows of another kind"
    return batch.rows[PLACES[kind]]


def decode(kind: str, *frames: bytes) -> Rows:
    batch = HsmDecoder().decode(list(frames))
    assert batch.leftovers == []
    return rows_of(batch, kind)


@pytest.mark.parametrize(("kind", "names"), [("sf", "data_val"), ("dp", "depthvalue"), ("if", "index_val")])
def test_names_and_places_are_those_of_the_brokers_map(kind: str, names: str) -> None:
    table = json.loads(resources.files("fyers_apiv3.FyersWebsocket").joinpath("map.json").read_bytes())[names]
    ours: Kind = anew(hsm_layout).KINDS[PLACES[kind]]

    assert astuple(ours) == astuple(hsm_layout.KINDS[PLACES[kind]])
    assert (ours.prefix, ours.fields) == (kind, tuple(field.name for field in FIELDS[kind]))
    known = [field.sdk for field in FIELDS[kind] if field.sdk]
    assert known == [name for name in table if name not in ("type", "symbol")]
    assert set(ours.prices) == {field.name for field in FIELDS[kind] if field.is_price}
    assert ours.unsigned == [at for at, field in enumerate(FIELDS[kind]) if not field.is_price]
    assert ours.has_ltp == ("ltp" in ours.fields)


@pytest.mark.parametrize("kind", FIELDS)
def test_the_sdk_scales_the_prices_and_nothing_else(kind: str) -> None:
    ticker = {f"{kind}|nse_cm|3045": "NSE:SBIN-EQ"}
    (message,) = SdkHsm(ticker).take(frame(snapshot(kind, distinct(kind)[:6] if kind == "if" else distinct(kind))))

    shown = {field.sdk: (10_001 + at, field.is_price) for at, field in enumerate(FIELDS[kind]) if field.sdk}
    for name in shown.keys() - SDK_SHOWS_NOT:
        value, is_price = shown[name]
        assert message[name] == (value / 100 if is_price else value), name


@pytest.mark.parametrize("count", [1, 40], ids=["one by one", "by arrays"])
@pytest.mark.parametrize("kind", FIELDS)
def test_each_value_of_a_snapshot_is_in_the_column_of_its_name(kind: str, count: int) -> None:
    rows = decode(kind, *[frame(snapshot(kind, distinct(kind)))] * count)

    for at, field in enumerate(FIELDS[kind]):
        assert rows.column(field.name).tolist() == [10_001 + at] * count, field.name
    assert rows.scale.tolist() == [100] * count


@pytest.mark.parametrize(("kind", "at"), EACH)
def test_an_update_of_one_field_changes_that_field_alone(kind: str, at: int) -> None:
    words = [UNCHANGED] * at + [word(77)]

    rows = decode(kind, frame(snapshot(kind, distinct(kind))), frame(update(words)))

    expected = [77 if place == at else 10_001 + place for place in range(len(FIELDS[kind]))]
    assert rows.values[:, 1].tolist() == expected


@pytest.mark.parametrize("where", ["snapshot", "update"])
@pytest.mark.parametrize(("kind", "at"), EACH)
def test_extreme_values_keep_their_sign_or_have_none(kind: str, at: int, where: str) -> None:
    """A price is a signed word, a number an unsigned one; 0x80000000 alone is no value."""
    given = [b"\x80\x00\x00\x01", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"]
    signed = [-(2**31) + 1, -1, 2**31 - 1, 0, 1]
    unsigned = [2**31 + 1, 2**32 - 1, 2**31 - 1, 0, 1]
    before = distinct(kind)
    if where == "snapshot":
        frames = [frame(snapshot(kind, [*before[:at], value, *before[at + 1 :]])) for value in given]
    else:
        frames = [frame(snapshot(kind, before)), *(frame(update([UNCHANGED] * at + [value])) for value in given)]

    rows = decode(kind, *frames)

    found = rows.values[at].tolist()[-len(given) :]
    assert found == (signed if FIELDS[kind][at].is_price else unsigned)
    others = {tuple(values) for values in rows.values[[n for n in range(len(before)) if n != at]].T.tolist()}
    assert others == {tuple(10_001 + n for n in range(len(before)) if n != at)}


@pytest.mark.parametrize(("kind", "at"), EACH)
def test_a_value_that_is_not_given_is_absent_until_it_is(kind: str, at: int) -> None:
    words = distinct(kind)
    words[at] = UNCHANGED
    short = frame(snapshot(kind, distinct(kind)[:at]))

    rows = decode(kind, frame(snapshot(kind, words)), frame(update([UNCHANGED] * at + [word(5)])), short)

    assert rows.values[at].tolist() == [ABSENT, 5, ABSENT], "a snapshot forgets"
    assert rows.values[:at, 2].tolist() == [10_001 + place for place in range(at)]
    assert set(rows.values[at:, 2].tolist()) == {ABSENT}


@pytest.mark.parametrize("kind", ["sf", "if"])
def test_a_lite_entry_is_a_last_price(kind: str) -> None:
    lite = b"\x4c\x00\x07"

    rows = decode(
        kind,
        frame(snapshot(kind, distinct(kind))),
        frame(lite + word(-9), lite + UNCHANGED, lite + word(2**31 - 1)),
    )

    assert rows.column("ltp").tolist() == [10_001, -9, -9, 2**31 - 1]
    assert rows.form.tolist() == [0x53, 0x4C, 0x4C, 0x4C]
    assert {tuple(values) for values in rows.values[1:].T.tolist()} == {
        tuple(range(10_002, 10_001 + len(FIELDS[kind])))
    }


@pytest.mark.parametrize(
    ("multiplier", "precision", "scale"),
    [
        (1, 2, 100),
        (1, 0, 1),
        (100, 2, 10_000),
        (1, 4, 10_000),
        (65_535, 0, 65_535),
        (256, 1, 2_560),
        (2, 18, 2 * 10**18),
    ],
)
@pytest.mark.parametrize("kind", FIELDS)
def test_the_scale_is_multiplier_times_ten_to_the_precision(
    kind: str, multiplier: int, precision: int, scale: int
) -> None:
    entry = snapshot(kind, distinct(kind), multiplier=multiplier, precision=precision)

    rows = decode(kind, frame(entry), frame(update([word(1)])))

    assert rows.scale.tolist() == [scale, scale], "an update has the scale of its snapshot"
    assert rows.values[0].tolist() == [10_001, 1], "values stay as they came"


def test_texts_of_a_snapshot_are_the_topics() -> None:
    batch = HsmDecoder().decode([frame(snapshot("dp", distinct("dp"), multiplier=3, precision=5))])

    (topic,) = batch.topics
    assert (topic.name, topic.exchange, topic.token, topic.text) == ("dp|nse_cm|3045", "nse_cm", "3045", "SBIN-EQ")
    assert (topic.multiplier, topic.precision) == (3, 5)


@pytest.mark.parametrize("topic_id", [0, 1, 255, 256, 257, 65_535])
def test_ids_of_topics_have_two_bytes_and_are_not_mixed(topic_id: int) -> None:
    other = topic_id ^ 0x0101
    entries = [snapshot("sf", distinct("sf"), topic_id=topic_id), snapshot("sf", distinct("sf", 500), topic_id=other)]

    rows = decode("sf", frame(*entries), frame(update([word(1)], other)), frame(update([word(2)], topic_id)))

    assert rows.column("ltp").tolist() == [10_001, 500, 1, 2]
    assert rows.column("volume").tolist() == [10_002, 501, 501, 10_002]
