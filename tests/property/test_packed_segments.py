"""Packed segments: any bytes come back the same, and damage never gives wrong ones."""

import io
import lzma
import random
import struct
import tracemalloc
from collections.abc import Iterator
from functools import cache

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.market import updates
from tests.bench.wire import arrivals
from tests.examples import examples
from tests.property.pack_checks import check_round_trip, pack, unpack

from exchange.wire import hsm
from harvester.journal.format import MAGIC, Record, decode, encode
from harvester.lake.publish import columns, packed
from harvester.lake.publish.columns import ColumnReader, Groups, read_block, write_block

INT64 = st.integers(-(2**63), 2**63 - 1)
WORD = st.none() | st.integers(-(2**31), 2**31 - 1) | st.integers(0, 40)


@st.composite
def feed_frames(draw: st.DrawFn) -> bytes:
    """Frames of few topics, so that they meet again: updates of any width, values that repeat, and other entries."""
    entries = []
    for _ in range(draw(st.integers(0, 3))):
        topic = draw(st.integers(0, 2))
        width = draw(st.sampled_from([30, 30, 30, 21, 21, 8, 1, 0, 255]))
        some = draw(st.lists(st.integers(0, max(width - 1, 0)), max_size=6)) if width else []
        values: list[int | None] = [None] * width
        for place in some:
            values[place] = draw(WORD)
        entries.append(hsm.update(topic, values))
    if draw(st.integers(0, 9)) == 0:
        entries.append(draw(st.sampled_from([hsm.lite(1, 5), hsm.snapshot(1, hsm.Topic("dp|x|1"), [7] * 30), b"?"])))
    return hsm.feed(draw(st.integers(0, 3) | st.integers(0, 2**32 - 1)), entries)


@st.composite
def segments(draw: st.DrawFn) -> list[bytes]:
    """Records of any kind, each number higher than the one before."""
    parts, seq = [], -1
    for _ in range(draw(st.integers(0, 12))):
        seq += draw(st.integers(1, 3) | st.integers(1, 2**59))
        head = (
            draw(st.sampled_from([0, 0, 0, 1, 255])),
            draw(st.sampled_from([2, 2, 2, 1, 3])),
            draw(st.sampled_from([0, 1, 0xFFFF])),
        )
        payload = draw(feed_frames() | st.binary(max_size=60))
        parts.append(encode((*head, seq, draw(INT64), draw(INT64), payload)))
    return parts


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Segments with junk between the records, copies, cuts."""
    parts = draw(segments())
    for _ in range(draw(st.integers(0, 3))):
        junk = draw(st.sampled_from([MAGIC, MAGIC + b"\0" * 40, b"junk", *parts[:1], b"".join(parts)[:30]]))
        parts.insert(draw(st.integers(0, len(parts))), junk)
    data = b"".join(parts)
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@examples(60)
@given(segments())
def test_any_records_come_back_the_same(parts: list[bytes]) -> None:
    assert unpack(pack(b"".join(parts))) == b"".join(parts)
    records = [decode(part) for part in parts]
    assert not records or len(write_block(records)) < 2 * len(b"".join(parts))


@examples(60)
@given(damaged() | st.binary(max_size=300))
def test_of_damaged_segments_the_records_come_back(data: bytes) -> None:
    check_round_trip(data)


@examples(30)
@given(segments(), st.integers(45, 500))
def test_borders_of_blocks_change_nothing(parts: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "BLOCK_BYTES", size)
        assert unpack(pack(b"".join(parts))) == b"".join(parts)


def morning(count: int) -> list[Record]:
    """A stretch of a busy morning."""
    made = enumerate(arrivals(updates(count)), 1)
    return [Record(0, 2, 0, seq, wall_ns, mono_ns, frame) for seq, (frame, wall_ns, mono_ns) in made]


def day(count: int) -> bytes:
    """The same as a segment."""
    return b"".join(map(encode, morning(count)))


def test_a_busy_morning_comes_back_the_same_and_small() -> None:
    data = day(4_000)
    small = pack(data)
    assert unpack(small) == data
    assert len(small) < 18.5 * 4_000


def test_a_long_segment_has_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = day(3_000)
    monkeypatch.setattr(packed, "BLOCK_BYTES", 200_000)
    small = pack(data)
    assert small.count(packed.FORM) > 3 and unpack(small) == data


def test_a_damaged_archive_is_an_error_and_gives_no_wrong_byte() -> None:
    data, chance = day(120), random.Random(8)
    small = pack(data)
    for _ in range(300):
        bad = bytearray(small)
        at = chance.randrange(len(bad))
        kind = chance.randrange(4)
        if kind == 0:
            bad[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del bad[at:]
        elif kind == 2:
            bad[at : at + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(9))
        else:
            bad += chance.randbytes(chance.randrange(1, 9))
        if bytes(bad) == small:
            continue
        got = bytearray()
        with pytest.raises(OSError, match="the packed segment is damaged"):
            for part in unpack_parts(bytes(bad)):
                got += part
        assert data.startswith(bytes(got))


def unpack_parts(small: bytes) -> Iterator[bytes]:
    reader = packed.Unpacker(io.BytesIO(small))
    while part := reader.read(1 << 16):
        yield part


def test_changed_columns_are_other_records_or_an_error() -> None:
    records, chance = morning(60), random.Random(9)
    size = len(day(60))
    body = write_block(records)
    assert read_block(body, 60, size) == records
    for _ in range(300):
        bad = bytearray(body)
        for _ in range(chance.randrange(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        try:
            assert len(read_block(bytes(bad), 60, size)) == 60
        except (ValueError, struct.error):
            continue


def test_archives_one_after_the_other_are_not_one() -> None:
    small = pack(day(5))
    with pytest.raises(OSError, match="damaged"):
        unpack(small + small)
    for end in range(len(small)):
        with pytest.raises(OSError, match="damaged"):
            unpack(small[:end])


def test_an_archive_of_the_first_form_is_refused_with_what_to_do() -> None:
    with pytest.raises(OSError, match=r"first form: docs/formats\.md says how"):
        unpack(b"\xf5AHPACK\x01" + bytes(90))
    with pytest.raises(OSError, match="no block begins"):
        unpack(b"PAR1 something else of twenty bytes")


@given(st.lists(INT64 | st.integers(-9, 9) | st.integers(-9, 9).map(lambda n: n * 75), max_size=60))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    values = np.array(numbers, np.int64)
    source = ColumnReader(b"".join([*columns.ints(values), *columns.sparse(values), b"after"]))
    assert source.ints(len(numbers)).tolist() == numbers == source.sparse(len(numbers)).tolist()
    assert bytes(source.octets(5)) == b"after" and not source.rest


@given(st.lists(st.tuples(st.integers(0, 3), INT64), max_size=40))
def test_sums_undo_differences(rows: list[tuple[int, int]]) -> None:
    keys, values = (np.array([row[part] for row in rows], np.int64) for part in (0, 1))
    groups = Groups(keys)
    assert groups.sums(groups.differences(values)).tolist() == values.tolist()


ZEROS = bytes(1 << 26)


@cache
def compressed(body: bytes) -> bytes:
    return lzma.compress(body, lzma.FORMAT_RAW, filters=packed.LZMA)


def framed(body: bytes, count: int, size: int) -> bytes:
    """A packed segment whose first block has these columns."""
    small = compressed(body)
    head = packed.HEAD.pack(packed.FORM, len(small), count, size, 0)[:-4]
    return head + google_crc32c.value(head).to_bytes(4, "little") + small


@pytest.mark.parametrize(
    ("count", "size"),
    [(1 << 31, 1 << 20), (1, 1 << 31), (26_000, 1 << 20)],
    ids=["records", "bytes", "zeros"],
)
def test_a_block_is_not_believed_that_it_is_huge(count: int, size: int) -> None:
    """Not even one whose columns are a gigabyte of zeros in some kilobytes."""
    bomb = framed(ZEROS, count, size)
    assert len(bomb) < 1 << 14
    with pytest.raises(OSError, match="damaged"):
        unpack(bomb)


def test_of_a_block_no_more_is_unpacked_than_one_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much its bytes would become."""
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 12)

    def most_memory(zeros: int) -> int:
        block = framed(bytes(zeros), 1, 1 << 12)
        tracemalloc.start()
        try:
            with pytest.raises(OSError, match="damaged"):
                unpack(block)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most_memory(1 << 22) - most_memory(1 << 12) < 1 << 20


def test_records_that_do_not_compress_come_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of them and a part of the next."""
    monkeypatch.setattr(packed, "BLOCK_BYTES", 1 << 19)
    chance = random.Random(3)
    count = packed.BLOCK_BYTES // 40 + 100
    numbers = sorted(chance.sample(range(1 << 62), count))
    data = b"".join(encode((1, 1, 0, seq, chance.getrandbits(62), chance.getrandbits(62), b"")) for seq in numbers)
    small = pack(data)
    assert len(small) > len(data) // 2 and unpack(small) == data
