"""Where the broker's SDK 3.2.0 is wrong about the data socket, shown, beside what our decoder makes of the same bytes.

docs/sdk-defects.md lists them; a test there is named by the number in its name.
"""

from typing import Any

import pytest
from tests.differential.sdk import SdkHsm

from exchange.wire import hsm
from harvester.decode.frames import Reason
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder, Rows
from harvester.decode.hsm_layout import LITE

SYMBOL, DEPTH, INDEX = "sf|nse_cm|3045", "dp|nse_cm|3045", "if|nse_cm|Nifty 50"
TICKERS = {SYMBOL: "NSE:SBIN-EQ", DEPTH: "NSE:SBIN-EQ", INDEX: "NSE:NIFTY50-INDEX"}
SF_VALUES = list(range(1001, 1022))


def snapshot(topic_id: int, name: str, values: list[int | None] | None = None) -> bytes:
    count = len(hsm.FIELDS[name[:2]]) if name[:2] in hsm.FIELDS else 3
    return hsm.snapshot(topic_id, hsm.Topic(name), values or list(range(1001, 1001 + count)))


def both(*frames: bytes, lite: bool = False) -> tuple[SdkHsm, list[dict[str, Any]], HsmBatch]:
    """The SDK, what it delivers for all frames, and our batch of them."""
    sdk = SdkHsm(TICKERS, lite=lite)
    delivered = [message for frame in frames for message in sdk.take(frame)]
    return sdk, delivered, HsmDecoder().decode(frames)


def row_values(rows: Rows, row: int = -1) -> dict[str, int]:
    return dict(zip(rows.kind.fields, rows.values[:, row].tolist(), strict=True))


def test_h1_topic_ids_are_read_in_native_byte_order_which_is_harmless() -> None:
    frames = [hsm.feed(1, [snapshot(1, SYMBOL), snapshot(256, DEPTH), hsm.update(256, [7])])]

    sdk, delivered, batch = both(*frames)

    assert sdk.socket.scrips_sym == {256: SYMBOL} and sdk.socket.dp_sym == {1: DEPTH}
    assert delivered[-1]["type"] == "dp" and delivered[-1]["bid_price1"] == 0.07
    assert [batch.topics[place].name for place in batch.rows[1].topic] == [DEPTH, DEPTH]


def test_h2_open_interest_and_year_range_are_dropped() -> None:
    _, (message,), batch = both(hsm.feed(1, [snapshot(1, SYMBOL)]))

    assert not {"OI", "Yhigh", "Ylow"} & set(message)
    values = row_values(batch.rows[0])
    assert (values["oi"], values["year_high"], values["year_low"]) == (1013, 1016, 1017)


def test_h3_circuits_are_delivered_as_zero() -> None:
    _, (message,), batch = both(hsm.feed(1, [snapshot(1, SYMBOL)]))

    assert (message["lower_ckt"], message["upper_ckt"]) == (0, 0)
    values = row_values(batch.rows[0])
    assert (values["lower_ckt"], values["upper_ckt"]) == (1018, 1019)


def test_h4_a_volume_beyond_31_bits_is_delivered_as_negative() -> None:
    volume = 3_000_000_000
    values = SF_VALUES.copy()
    values[1] = volume

    _, (message,), batch = both(hsm.feed(1, [snapshot(1, SYMBOL, [*values])]))

    assert message["vol_traded_today"] == volume - 2**32
    assert row_values(batch.rows[0])["volume"] == volume


def test_h5_a_repeat_is_swallowed() -> None:
    _, delivered, batch = both(hsm.feed(1, [snapshot(1, SYMBOL), hsm.update(1, SF_VALUES)]))

    assert len(delivered) == 1
    assert batch.rows[0].frame.tolist() == [0, 0], "each update is a row, a repeat as well"


@pytest.mark.parametrize("topic_id", [pytest.param(99, id="unknown id"), pytest.param(2, id="depth topic")])
def test_h6_a_lite_entry_that_it_does_not_expect_garbles_the_rest_of_the_frame(topic_id: int) -> None:
    later = [hsm.lite(topic_id, 0x55000100), hsm.update(1, [2002])]

    _, delivered, batch = both(hsm.feed(1, [snapshot(1, SYMBOL), snapshot(2, DEPTH)]), hsm.feed(2, later))

    assert len(delivered) == 2, "the update after the lite entry is lost"
    assert row_values(batch.rows[0])["ltp"] == 2002
    assert [left.reason for left in batch.leftovers] == [Reason.NO_SNAPSHOT if topic_id == 99 else Reason.NO_PRICE]


def test_h7_an_index_update_with_its_last_values_overwrites_type_and_symbol() -> None:
    update = hsm.update(1, [None] * 6 + [2_500_000, 2_100_000])

    _, delivered, batch = both(hsm.feed(1, [snapshot(1, INDEX), update]))

    assert (delivered[0]["type"], delivered[0]["symbol"]) == ("if", TICKERS[INDEX])
    assert (delivered[1]["type"], delivered[1]["symbol"]) == (2_500_000, 2_100_000)
    values = row_values(batch.rows[2])
    assert (values["year_high"], values["year_low"]) == (2_500_000, 2_100_000)


@pytest.mark.parametrize("name", ["xx|nse_cm|1", "sf|nse_cm|77"], ids=["unknown kind", "not subscribed"])
def test_h8_a_snapshot_of_a_topic_it_does_not_expect_costs_the_rest_of_the_frame(name: str) -> None:
    _, delivered, batch = both(hsm.feed(1, [snapshot(9, name), snapshot(1, SYMBOL)]))

    assert delivered == []
    assert SYMBOL in [batch.topics[place].name for place in batch.rows[0].topic]
    assert [left.reason for left in batch.leftovers] == [Reason.UNKNOWN_TOPIC] * name.startswith("xx")


def test_h9_more_values_than_it_knows_cost_the_rest_of_the_frame() -> None:
    frame = hsm.feed(1, [hsm.snapshot(1, hsm.Topic(DEPTH), range(33)), snapshot(2, SYMBOL)])

    _, delivered, batch = both(frame)

    assert delivered == []
    assert (len(batch.rows[0]), len(batch.rows[1])) == (1, 1)
    assert [(left.reason, left.end - left.start) for left in batch.leftovers] == [(Reason.EXTRA_VALUES, 12)]


def test_h10_the_live_form_of_the_auth_reply_makes_it_acknowledge_almost_never() -> None:
    sdk, _, batch = both(hsm.auth_reply(schema=b"{}"))

    assert sdk.socket.ack_count == 0x00020300, "field 2 and the head of field 3 read as one number"
    assert batch.controls[0].accepted and batch.controls[0].fields[2] == b"\x00\x02"


def test_h11_an_index_without_a_previous_close_is_not_delivered() -> None:
    sdk, delivered, batch = both(hsm.feed(1, [snapshot(1, INDEX, [100, 0])]))

    assert delivered == [] and isinstance(sdk.log.entries[0], ZeroDivisionError)
    assert row_values(batch.rows[2])["ltp"] == 100


def test_h12_lite_mode_delivers_no_depth_at_all() -> None:
    sdk, delivered, batch = both(hsm.feed(1, [snapshot(1, DEPTH)]), lite=True)

    assert delivered == [] and isinstance(sdk.log.entries[0], KeyError)
    assert len(batch.rows[1]) == 1


def test_h13_an_id_given_to_another_kind_of_topic_stays_with_the_old_one() -> None:
    _, delivered, batch = both(hsm.feed(1, [snapshot(1, SYMBOL), snapshot(1, DEPTH), hsm.update(1, [42])]))

    assert delivered[-1]["type"] == "sf"
    assert row_values(batch.rows[1])["bid_px_1"] == 42
    assert len(batch.rows[0]) == 1


def test_a_lite_entry_counts_in_full_mode_for_both() -> None:
    _, delivered, batch = both(hsm.feed(1, [snapshot(1, SYMBOL), hsm.lite(1, 5)]))

    assert delivered[-1]["ltp"] == 0.05
    assert batch.rows[0].form[-1] == LITE and row_values(batch.rows[0])["volume"] == 1002
