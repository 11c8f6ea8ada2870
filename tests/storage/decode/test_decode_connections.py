"""Frames from the journal are decoded by connection: nothing is kept across a reconnect or a restart."""

import pytest

from exchange.wire import hsm
from harvester.decode.connections import Received, Rounds
from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder
from harvester.journal.format import CONTROL, DATA, FYERS_HSM, FYERS_TBT, Record, encode_control

SNAPSHOT = hsm.feed(1, [hsm.snapshot(1, hsm.Topic("sf|nse_cm|3045"), [100, 5])])
UPDATE = hsm.feed(2, [hsm.update(1, [101])])


def data(seq: int, frame: bytes, stream: int = 0, feed: int = FYERS_HSM) -> Record:
    return Record(DATA, feed, stream, seq, 1_000 + seq, seq, frame)


def control(seq: int, **fields: object) -> Record:
    return Record(CONTROL, 0, 0, seq, 1_000 + seq, seq, encode_control(fields))


def decode(*records: Record, frames: int = 100) -> list[Received[HsmBatch]]:
    rounds = Rounds(FYERS_HSM, HsmDecoder, frames)
    mine = [record for record in records if record.kind == CONTROL or record.feed == FYERS_HSM]
    found = [rounds.control(each) if each.kind == CONTROL else rounds.data(each) for each in mine]
    return [received for round_ in [*found, rounds.finish()] for received in round_]


@pytest.mark.parametrize("frames", [1, 2, 100])
def test_batches_of_any_size_carry_the_state_on(frames: int) -> None:
    received = decode(data(1, SNAPSHOT), data(2, UPDATE), frames=frames)

    prices = [price for each in received for price in each.batch.rows[0].column("ltp").tolist()]
    volumes = [volume for each in received for volume in each.batch.rows[0].column("volume").tolist()]
    assert (prices, volumes) == ([100, 101], [5, 5])
    assert [int(at) for each in received for at in each.wall_ns] == [1_001, 1_002]


@pytest.mark.parametrize("end", [{"type": "connect", "feed": FYERS_HSM, "stream": 0}, {"type": "start"}])
def test_nothing_is_carried_across_a_reconnect(end: dict[str, object]) -> None:
    before, after = decode(data(1, SNAPSHOT), control(2, **end), data(3, UPDATE))

    assert len(before.batch.rows[0]) == 1 and before.connection == 0
    assert len(after.batch.rows[0]) == 0 and after.connection == 1
    assert [left.reason for left in after.batch.leftovers] == [Reason.NO_SNAPSHOT]


def test_a_value_known_before_a_reconnect_is_unknown_after_it() -> None:
    again = hsm.feed(1, [hsm.snapshot(1, hsm.Topic("sf|nse_cm|3045"), [100])])
    connect = control(2, type="connect", feed=FYERS_HSM, stream=0)

    _, after = decode(data(1, SNAPSHOT), connect, data(3, again))

    assert after.batch.rows[0].column("volume").tolist() == [ABSENT]


def test_other_streams_feeds_and_control_records_change_nothing() -> None:
    (received,) = decode(
        data(1, SNAPSHOT),
        control(2, type="connect", feed=FYERS_HSM, stream=1),
        control(3, type="connect", feed=FYERS_TBT, stream=0),
        control(4, type="token", version="file:1"),
        data(5, b"other", feed=FYERS_TBT),
        data(6, UPDATE),
    )

    assert received.batch.rows[0].column("volume").tolist() == [5, 5]
    assert received.seq.tolist() == [1, 6]


def test_streams_have_ids_of_their_own() -> None:
    first, second = decode(data(1, SNAPSHOT), data(2, UPDATE, stream=1))

    assert (first.stream, len(first.batch.rows[0])) == (0, 1)
    assert (second.stream, len(second.batch.rows[0])) == (1, 0)


def test_all_frames_of_a_round_come_before_those_of_the_next() -> None:
    records = [data(seq, SNAPSHOT if seq < 3 else UPDATE, stream=seq % 2) for seq in range(1, 10)]

    received = decode(*records, frames=4)

    assert [(each.stream, each.seq.tolist()) for each in received] == [
        (0, [2, 4]), (1, [1, 3]), (0, [6, 8]), (1, [5, 7]), (1, [9])
    ]  # fmt: skip


def test_a_batch_names_the_record_that_began_its_connection() -> None:
    connect = control(2, type="connect", feed=FYERS_HSM, stream=0)

    before, after, later = decode(
        data(1, SNAPSHOT), connect, data(3, SNAPSHOT), control(4, type="start"), data(5, SNAPSHOT)
    )

    assert (before.opened_seq, after.opened_seq, later.opened_seq) == (0, 2, 0)
    assert (before.connection, after.connection, later.connection) == (0, 1, 2)


def test_a_batch_has_number_and_both_clocks_of_each_frame() -> None:
    records = [Record(DATA, FYERS_HSM, 3, 2**63 - at, 2**62 + at, at * 7, SNAPSHOT) for at in range(1, 4)]

    (received,) = decode(*records)

    assert received.seq.tolist() == [2**63 - 1, 2**63 - 2, 2**63 - 3]
    assert received.wall_ns.tolist() == [2**62 + 1, 2**62 + 2, 2**62 + 3]
    assert (received.mono_ns.tolist(), received.stream) == ([7, 14, 21], 3)


@pytest.mark.parametrize("stream", [True, "0", None, 1.0, [0]])
def test_a_connect_record_without_a_stream_ends_nothing(stream: object) -> None:
    connect = control(2, type="connect", feed=FYERS_HSM, stream=stream)
    feedless = control(3, type="connect", stream=0)

    (received,) = decode(data(1, SNAPSHOT), connect, feedless, data(4, UPDATE))

    assert received.seq.tolist() == [1, 4]


def test_rows_know_their_place_in_the_frame() -> None:
    depth = hsm.snapshot(2, hsm.Topic("dp|nse_cm|3045"), range(30))
    frame = hsm.feed(3, [hsm.update(2, [5]), hsm.update(1, [6]), hsm.update(2, [7])])

    (received,) = decode(data(1, SNAPSHOT), data(2, hsm.feed(2, [depth])), data(3, frame))

    quotes, books, _ = received.batch.rows
    assert (quotes.frame.tolist(), quotes.entry.tolist()) == ([0, 2], [0, 1])
    assert (books.frame.tolist(), books.entry.tolist()) == ([1, 2, 2], [0, 0, 2])
