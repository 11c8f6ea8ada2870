"""Packed segments: any bytes come back the same, and damage never gives wrong ones."""

import contextlib
import io
import random
import struct
from itertools import pairwise

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.market import updates
from tests.bench.wire import arrivals
from tests.examples import examples
from tests.property.pack_checks import pack, unpack

from exchange.wire import hsm
from harvester.journal.format import MAGIC, encode
from harvester.lake.pack import PackError, container
from harvester.lake.pack.streams import StreamError, StreamReader, StreamWriter, bit_lengths

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
def segments(draw: st.DrawFn) -> bytes:
    """Bytes as a segment may hold them: records of any kind, junk between, copies, cuts."""
    parts = []
    for _ in range(draw(st.integers(0, 12))):
        head = (
            draw(st.sampled_from([0, 0, 0, 1, 255])),
            draw(st.sampled_from([2, 2, 2, 1, 3])),
            draw(st.integers(0, 1)),
        )
        numbers = (draw(st.integers(0, 2**64 - 1) | st.integers(1, 9)), draw(INT64), draw(INT64))
        payload = draw(feed_frames() | st.binary(max_size=60))
        parts.append(encode((*head, *numbers, payload)))
        parts.append(draw(st.sampled_from([b"", b"", b"", MAGIC, MAGIC + b"\0" * 40, b"junk", parts[0][:30]])))
    data = b"".join(parts)
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@examples(60)
@given(segments() | st.binary(max_size=300))
def test_any_bytes_come_back_the_same(data: bytes) -> None:
    assert unpack(pack(data)) == data


@examples(30)
@given(data=st.lists(segments(), min_size=1, max_size=4).map(b"".join), size=st.integers(45, 500))
def test_borders_of_blocks_change_nothing(data: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "BLOCK_BYTES", size)
        assert unpack(pack(data)) == data


def day(count: int) -> bytes:
    """A stretch of a busy morning as a segment."""
    made = enumerate(arrivals(updates(count)), 1)
    return b"".join(encode((0, 2, 0, seq, wall_ns, mono_ns, frame)) for seq, (frame, wall_ns, mono_ns) in made)


def test_a_busy_morning_comes_back_the_same_and_small() -> None:
    data = day(4_000)
    packed = pack(data)
    assert unpack(packed) == data
    assert len(packed) < 13.5 * 4_000


def test_what_is_known_goes_from_block_to_block(monkeypatch: pytest.MonkeyPatch) -> None:
    data = day(3_000)
    monkeypatch.setattr(container, "BLOCK_BYTES", 200_000)
    packed = pack(data)
    assert packed.count(container.BLOCK) > 3 and unpack(packed) == data


@pytest.mark.parametrize("forget", [1, 10**9])
def test_forgetting_topics_changes_nothing(monkeypatch: pytest.MonkeyPatch, forget: int) -> None:
    monkeypatch.setattr("harvester.lake.pack.slots.MOST_CARRIED", forget)
    monkeypatch.setattr(container, "BLOCK_BYTES", 20_000)
    data = day(300)
    assert unpack(pack(data)) == data


def test_a_damaged_archive_is_an_error_and_gives_no_wrong_byte() -> None:
    data, chance = day(120), random.Random(8)
    packed = pack(data)
    for _ in range(200):
        bad = bytearray(packed)
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
        if bytes(bad) == packed:
            continue
        got = bytearray()
        with pytest.raises(PackError):
            for part in unpack_parts(bytes(bad)):
                got += part
        assert data.startswith(bytes(got))


def unpack_parts(packed: bytes):  # type: ignore[no-untyped-def]
    reader = container.Unpacker(io.BytesIO(packed))
    while part := reader.read(1 << 16):
        yield part


def reforge(packed: bytes, chance: random.Random) -> bytes:
    """The archive with its first block changed and the checksum of that made right."""
    start = len(container.MAGIC)
    kind, size, _ = container.FRAME.unpack_from(packed, start)
    begin = start + container.FRAME.size
    body = bytearray(packed[begin : begin + size])
    for _ in range(chance.randrange(1, 4)):
        body[chance.randrange(container.CHECK.size, len(body))] = chance.randrange(256)
    frame = container.FRAME.pack(kind, size, google_crc32c.value(kind + bytes(body)))
    return packed[:start] + frame + bytes(body) + packed[begin + size :]


def test_a_forged_block_is_an_error_too() -> None:
    data, chance = day(60), random.Random(9)
    packed = pack(data)
    for _ in range(150):
        forged = reforge(packed, chance)
        if forged != packed:
            with contextlib.suppress(PackError):  # else bits that nobody reads, such as those behind a bit plane
                assert unpack(forged) == data


def test_archives_one_after_the_other_are_not_one() -> None:
    packed = pack(day(5))
    with pytest.raises(PackError, match="follow the end"):
        unpack(packed + packed)
    for end in range(len(packed)):
        with pytest.raises(PackError):
            unpack(packed[:end])


def test_the_error_says_what_is_wrong() -> None:
    with pytest.raises(PackError, match="no packed segment"):
        unpack(b"PAR1 something else")
    with pytest.raises(OSError, match="ends early"):
        unpack(pack(day(5))[:-1])


@given(st.lists(INT64 | st.integers(-9, 9) | st.integers(-9, 9).map(lambda n: n * 75), max_size=60))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    out = StreamWriter()
    out.ints(np.array(numbers, np.int64))
    out.blob(b"after")
    source = StreamReader(bytes(out.body))
    assert source.ints(len(numbers)).tolist() == numbers
    assert source.blob() == b"after" and source.is_at_end


def test_bit_lengths_are_exact_at_every_border() -> None:
    borders = [border + step for border in (2**power for power in range(64)) for step in (-1, 0, 1)] + [2**64 - 1]
    assert bit_lengths(np.array(borders, np.uint64)).tolist() == [border.bit_length() for border in borders]
    assert all(low <= high for low, high in pairwise(sorted(borders)))


def test_a_count_beyond_all_reason_is_refused() -> None:
    body = bytearray()
    writer = StreamWriter()
    writer.number(1 << 60)
    body += writer.body
    with pytest.raises(ValueError, match="a stream of"):
        StreamReader(bytes(body)).ints()
    assert struct.calcsize("<Q32s") == container.ENDING.size


def test_a_compressed_frame_is_not_believed_that_it_is_huge() -> None:
    frame = bytes.fromhex("28b52ffde0") + (1 << 50).to_bytes(8, "little") + bytes.fromhex("010000")
    out = StreamWriter()
    out.number(10)
    out.number(len(frame))
    out.body += frame

    with pytest.raises(StreamError, match="more than 10 bytes"):
        StreamReader(bytes(out.body)).blob()
