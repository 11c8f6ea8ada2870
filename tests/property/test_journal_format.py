"""Journal format and recovery for any input: round trip, every truncation, every mutation."""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.journal import Record
from harvester.journal.format import MAGIC, MAX_PAYLOAD, Poll, decode, decode_poll, encode, encode_poll
from harvester.journal.reader import RecordStream

INT64 = st.integers(-(2**63), 2**63 - 1)
PAYLOAD = st.one_of(st.binary(max_size=300), st.lists(st.just(MAGIC), max_size=20).map(b"".join))
CASES = 100


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """A run: any contents, numbers without a hole."""
    first = draw(st.integers(1, 2**40))
    bodies = draw(st.lists(PAYLOAD, max_size=12))
    return [
        Record(
            draw(st.integers(0, 255)),
            draw(st.integers(0, 255)),
            draw(st.integers(0, 65_535)),
            first + at,
            draw(INT64),
            draw(INT64),
            body,
        )
        for at, body in enumerate(bodies)
    ]


def read(data: bytes) -> tuple[list[Record], RecordStream]:
    stream = RecordStream(cast(BinaryIO, io.BytesIO(data)))
    return [record for _, record in stream], stream


def spans(run: list[Record]) -> Iterator[tuple[int, int, Record]]:
    at = 0
    for record in run:
        end = at + len(encode(record))
        yield at, end, record
        at = end


@examples(CASES)
@given(records())
def test_what_was_written_is_what_is_read(run: list[Record]) -> None:
    data = b"".join(map(encode, run))
    found, stream = read(data)
    assert found == run
    assert stream.damaged == [] and stream.valid_end == len(data)
    assert all(decode(encode(record)) == record for record in run)


@examples(CASES)
@given(records(), st.data())
def test_a_file_cut_anywhere_keeps_every_whole_record(run: list[Record], data: st.DataObject) -> None:
    whole = b"".join(map(encode, run))
    cut = data.draw(st.integers(0, len(whole)))
    found, stream = read(whole[:cut])
    assert found == [record for _, end, record in spans(run) if end <= cut]
    covered = sum(end - start for start, end in stream.damaged)
    assert covered + sum(len(encode(record)) for record in found) == cut


@examples(CASES * 4)
@given(records(), st.data())
def test_damage_makes_no_record_and_takes_none_beside_it(run: list[Record], data: st.DataObject) -> None:
    whole = b"".join(map(encode, run))
    at = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, min(400, len(whole) - at)))
    new = data.draw(st.one_of(st.binary(max_size=400), st.just(bytes(length)), st.just(whole[at : at + length] * 2)))
    stream = RecordStream(cast(BinaryIO, io.BytesIO(whole[:at] + new + whole[at + length :])))
    placed = [(offset, offset + len(encode(record)), record) for offset, record in stream]
    found = [record for _, _, record in placed]
    assert [record for record in found if record not in run] == [], "a record that was never written"
    assert len(found) == len({record.seq for record in found}), "a record twice"
    moved = len(new) - length
    for start, end, record in spans(run):
        if record in found or not (end <= at or start >= at + length):
            continue
        # Bytes taken out may join two records into one of them, whole; only so can an undamaged record be lost.
        shift = moved if start >= at + length else 0
        assert moved, "an undamaged record lost"
        assert any(a < end + shift and start + shift < b for a, b, _ in placed), "an undamaged record lost"
    assert stream.size == len(whole) + moved
    assert sum(end - start for start, end in stream.damaged) + sum(b - a for a, b, _ in placed) == stream.size


@examples(CASES)
@given(records(), st.data())
def test_any_single_flipped_bit_is_noticed(run: list[Record], data: st.DataObject) -> None:
    if not run:
        return
    whole = bytearray(b"".join(map(encode, run)))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    found, stream = read(bytes(whole))
    hit = next(record for start, end, record in spans(run) if start <= bit // 8 < end)
    assert found == [record for record in run if record is not hit]
    assert stream.damaged


@examples(CASES)
@given(st.binary(max_size=3000))
def test_bytes_that_are_no_journal_hold_no_record(data: bytes) -> None:
    found, stream = read(data)
    assert found == []
    assert stream.damaged == ([(0, len(data))] if data else [])


@given(INT64, INT64, st.integers(0, 65_535), st.binary(max_size=200))
def test_a_poll_survives_its_payload(sched: int, sent: int, status: int, body: bytes) -> None:
    poll = Poll(sched, sent, status, body)
    assert decode_poll(encode_poll(poll)) == poll
    assert len(encode_poll(poll)) <= MAX_PAYLOAD


@given(st.binary(max_size=17))
def test_a_payload_too_short_for_a_poll_is_none(payload: bytes) -> None:
    assert decode_poll(payload) is None
