"""The data socket's decoder on single frames: values, control frames, and what cannot be read."""

import pytest

from exchange.wire import hsm
from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder

TOPIC = hsm.Topic("dp|nse_cm|3045", exchange="nse_cm", token="3045", text="SBIN-EQ")
DEFINED = hsm.snapshot(1, TOPIC, range(30))


def decode(*frames: bytes) -> HsmBatch:
    return HsmDecoder().decode(frames)


def reasons(*frames: bytes) -> list[tuple[int, int, int, Reason]]:
    return [tuple(left) for left in decode(*frames).leftovers]


def test_a_snapshot_names_the_topic_and_its_scale() -> None:
    topic = hsm.Topic("sf|mcx_fo|1", multiplier=100, precision=4)

    batch = decode(hsm.feed(1, [hsm.snapshot(1, TOPIC, range(30)), hsm.snapshot(2, topic, [5, None, 7])]))

    assert [vars(each)["name"] for each in batch.topics] == ["dp|nse_cm|3045", "sf|mcx_fo|1"]
    assert (batch.topics[0].exchange, batch.topics[0].token, batch.topics[0].text) == ("nse_cm", "3045", "SBIN-EQ")
    assert batch.rows[1].scale.tolist() == [100] and batch.rows[0].scale.tolist() == [1_000_000]
    assert batch.rows[0].values[:4, 0].tolist() == [5, ABSENT, 7, ABSENT]


def test_prices_keep_their_sign_and_quantities_have_none() -> None:
    values = [-5] * 10 + [2**32 - 1] * 20

    rows = decode(hsm.feed(1, [hsm.snapshot(1, TOPIC, values)])).rows[1]

    assert rows.column("bid_px_1").tolist() == [-5]
    assert rows.column("ask_ord_5").tolist() == [2**32 - 1]


@pytest.mark.parametrize("precision", [0, 18, 19, 255])
def test_a_scale_that_no_column_can_hold_is_marked_and_the_values_kept(precision: int) -> None:
    batch = decode(hsm.feed(1, [hsm.snapshot(1, hsm.Topic("sf|x|1", precision=precision), [7])]))

    usable = precision <= 18
    assert batch.rows[0].scale.tolist() == [10**precision if usable else 0]
    assert [left.reason for left in batch.leftovers] == ([] if usable else [Reason.BAD_SCALE])
    assert batch.rows[0].column("ltp").tolist() == [7]


def test_control_frames_are_told_with_their_fields() -> None:
    batch = decode(
        hsm.auth_reply(schema=b"{}"),
        hsm.auth_reply(accepted=False, ack_every=50),
        hsm.reply(hsm.SUBSCRIBE),
        hsm.notice(51001, "plan limit", hsm.SUBSCRIBE),
        b"\x00\x01\x0b",
        hsm.control(hsm.BUFFER, (9, b"blob")),
    )

    assert [(control.type, control.accepted) for control in batch.controls] == [
        (1, True), (1, False), (4, True), (51, False), (11, False), (13, False)
    ]  # fmt: skip
    assert batch.controls[0].fields[3] == b"{}"
    assert batch.controls[3].notice == (51001, "plan limit")
    assert batch.leftovers == []


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(b"", (0, 0, 0, Reason.SHORT), id="nothing"),
        pytest.param(b"\x00\x07\x06\x00", (0, 0, 4, Reason.SHORT), id="feed frame without a count"),
        pytest.param(b"\x00\x01\x63", (0, 0, 3, Reason.UNKNOWN_TYPE), id="unknown type"),
        pytest.param(hsm.control(1, (1, b"K"))[:-1], (0, 4, 7, Reason.MALFORMED), id="control field cut short"),
        pytest.param(b"\x00\x01\x01", (0, 0, 3, Reason.MALFORMED), id="control frame without a count"),
        pytest.param(hsm.feed(1, [b"Q123"]), (0, 9, 13, Reason.UNKNOWN_ENTRY), id="unknown entry"),
        pytest.param(hsm.feed(1, []) + b"rest", (0, 9, 13, Reason.TRAILING), id="bytes after the last entry"),
        pytest.param(hsm.feed(1, [hsm.update(7, [1])]), (0, 9, 17, Reason.NO_SNAPSHOT), id="no snapshot"),
    ],
)
@pytest.mark.parametrize("copies", [1, 60], ids=["one by one", "by arrays"])
def test_what_cannot_be_read_is_listed_with_its_place(
    frame: bytes, expected: tuple[int, int, int, Reason], copies: int
) -> None:
    found = reasons(*[frame] * copies)

    assert found == [(number, *expected[1:]) for number in range(copies)]


def test_the_rest_of_a_damaged_frame_is_lost_and_the_next_frame_read() -> None:
    frames = [hsm.feed(1, [DEFINED]), hsm.feed(2, [hsm.update(1, [5]), b"Q", hsm.update(1, [6])])]

    batch = decode(*frames, hsm.feed(3, [hsm.update(1, [None, 9])]))

    assert batch.rows[1].column("bid_px_1").tolist() == [0, 5, 5]
    assert batch.rows[1].column("bid_px_2").tolist() == [1, 1, 9]
    assert [(left.frame, left.reason) for left in batch.leftovers] == [(1, Reason.UNKNOWN_ENTRY)]


def test_a_frame_of_most_entries_is_read() -> None:
    frame = hsm.feed(1, [DEFINED] + [hsm.update(1, [])] * 65_534)

    batch = decode(frame)

    assert batch.rows[1].entry.tolist() == [*range(65_535)]
