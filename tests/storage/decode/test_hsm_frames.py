"""Frames of the data socket in every kind of damage, judged by a walk of them that is short, slow and written here."""

import struct
from collections.abc import Iterator

import pytest

from exchange.wire import hsm
from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder

BOOK, QUOTE = hsm.Topic("dp|nse_cm|1", exchange="nse_cm", token="1", text="X-EQ"), hsm.Topic("sf|nse_cm|1")
FIRST = hsm.feed(0, [hsm.snapshot(1, QUOTE, range(21)), hsm.snapshot(2, BOOK, range(30))])

Left = tuple[int, int, Reason]


def walk(frame: bytes) -> tuple[list[tuple[int, int]], Left | None]:
    """(start, size) of the whole entries of a feed frame, and what follows them that is none."""
    if len(frame) < 9:
        return [], (0, len(frame), Reason.SHORT)
    entries: list[tuple[int, int]] = []
    at = 9
    for _ in range(struct.unpack_from(">H", frame, 7)[0]):
        if at >= len(frame):
            return entries, (at, len(frame), Reason.TRUNCATED)
        if frame[at] not in b"SUL":
            return entries, (at, len(frame), Reason.UNKNOWN_ENTRY)
        size = size_of(frame[at:])
        if size is None or at + size > len(frame):
            return entries, (at, len(frame), Reason.TRUNCATED)
        entries.append((at, size))
        at += size
    return entries, (at, len(frame), Reason.TRAILING) if at < len(frame) else None


def size_of(rest: bytes) -> int | None:
    """Size of the entry that `rest` begins with; None when it ends before that is known."""
    try:
        if rest[:1] == b"L":
            return 7
        if rest[:1] == b"U":
            return 4 + 4 * rest[3]
        at = 4 + rest[3]
        at += 1 + 4 * rest[at] + 5
        for _ in range(3):
            at += 1 + rest[at]
        return at
    except IndexError:
        return None


def damaged() -> Iterator[bytes]:
    entries = [
        hsm.update(1, [5, None, 7]),
        hsm.lite(1, 9),
        hsm.snapshot(1, QUOTE, [1]),
        hsm.update(2, []),
        hsm.lite(1, 8),
    ]
    whole = hsm.feed(1, entries)
    for end in range(3, len(whole) + 1):
        yield whole[:end]
    for at in range(len(entries) + 1):
        for odd in (b"Q", b"\x00\x00\x00\x00\x00\x00\x00\x00", b"s", b"\x06abc"):
            parts = [*entries[:at], odd, *entries[at:]]
            yield hsm.feed(1, parts)
    for count in (0, 1, 4, 6, 255, 256, 65_535):
        yield whole[:7] + count.to_bytes(2, "big") + whole[9:]
    for count in (0, 1, 255, 256, 300):
        yield hsm.feed(1, [hsm.lite(1, number) for number in range(count)])
    yield hsm.feed(1, [hsm.update(1, [None] * 255)])
    yield hsm.feed(
        1, [hsm.snapshot(1, hsm.Topic("sf|" + "x" * 250, exchange="e" * 255, token="t" * 200, text=""), [3] * 21)]
    )


def check(batch: HsmBatch, frames: list[bytes]) -> None:
    entries, left = {}, []
    for number, frame in enumerate(frames):
        entries[number], found = walk(frame)
        left += [(number, *found)] if found else []
    damage = [tuple(each) for each in batch.leftovers if each.reason not in (Reason.EXTRA_VALUES, Reason.NO_PRICE)]
    assert damage == left
    for number, places in entries.items():
        read = sum(int((rows.frame == number).sum()) for rows in batch.rows)
        unread = sum(each.frame == number and each.reason == Reason.NO_PRICE for each in batch.leftovers)
        assert read + unread == len(places), (number, frames[number].hex())


@pytest.mark.parametrize("copies", [1, 30], ids=["few", "many"])
def test_every_kind_of_damage_in_one_batch_costs_what_is_damaged_and_nothing_else(copies: int) -> None:
    frames = [FIRST, *(frame for frame in damaged() if len(frame) > 8 for _ in range(copies))]

    check(HsmDecoder().decode(frames), frames)


def test_every_kind_of_damage_alone() -> None:
    for frame in damaged():
        check(HsmDecoder().decode([FIRST, frame]), [FIRST, frame])
        decoder = HsmDecoder()
        decoder.decode([FIRST])
        check(decoder.decode([frame]), [frame])


@pytest.mark.parametrize("extra", [1, 2, 200])
@pytest.mark.parametrize(("topic", "width"), [(QUOTE, 21), (BOOK, 30), (hsm.Topic("if|nse_cm|N"), 8)])
@pytest.mark.parametrize("where", ["snapshot", "update"])
def test_values_beyond_the_known_ones_are_listed_by_their_place(
    where: str, topic: hsm.Topic, width: int, extra: int
) -> None:
    values = list(range(width + extra))
    entry = hsm.update(1, values) if where == "update" else hsm.snapshot(1, topic, values)
    frame = hsm.feed(2, [hsm.lite(9, 1), entry])

    batch = HsmDecoder().decode([hsm.feed(1, [hsm.snapshot(1, topic, range(width))]), frame])

    begin = frame.index(struct.pack(">I", width) + struct.pack(">I", width + 1)[: 4 * (extra > 1)])
    assert [tuple(left) for left in batch.leftovers] == [
        (1, 9, 16, Reason.NO_SNAPSHOT), (1, begin, begin + 4 * extra, Reason.EXTRA_VALUES)
    ]  # fmt: skip
    (rows,) = [rows for rows in batch.rows if len(rows)]
    assert rows.values[:, 1].tolist() == list(range(width))


def test_entries_of_unknown_topics_are_listed_whole_whatever_they_hold() -> None:
    odd = hsm.snapshot(3, hsm.Topic("zz|nse_cm|1"), range(40))
    frame = hsm.feed(1, [odd, hsm.update(3, [1]), hsm.lite(3, 5), hsm.update(4, [1]), hsm.lite(4, 5)])

    left = HsmDecoder().decode([frame]).leftovers

    sizes = [len(odd), 8, 7, 8, 7]
    starts = [9 + sum(sizes[:at]) for at in range(5)]
    reasons = [Reason.UNKNOWN_TOPIC] * 3 + [Reason.NO_SNAPSHOT] * 2
    expected = [(0, at, at + size, reason) for at, size, reason in zip(starts, sizes, reasons, strict=True)]
    assert [tuple(each) for each in left] == expected


def test_leftovers_are_in_the_order_of_their_frames_and_places() -> None:
    frames = [
        FIRST, b"\x00\x01\x63", hsm.feed(1, [hsm.update(9, [1]), hsm.lite(2, 1), hsm.update(8, []), b"Q"]), b"",
        hsm.feed(1, [hsm.update(1, range(30))]), hsm.control(hsm.AUTH, (1, b"K")) + b"x",
    ]  # fmt: skip

    left = HsmDecoder().decode(frames).leftovers

    assert left == sorted(left)
    assert [each.reason for each in left] == [
        Reason.UNKNOWN_TYPE, Reason.NO_SNAPSHOT, Reason.NO_PRICE, Reason.NO_SNAPSHOT, Reason.UNKNOWN_ENTRY,
        Reason.SHORT, Reason.EXTRA_VALUES, Reason.MALFORMED,
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_an_id_may_be_given_to_other_topics_and_kinds_at_any_time(size: int) -> None:
    """Batches of any size see the same: updates before and after, kept from the batch before."""
    names = ["sf|nse_cm|1", "sf|nse_cm|2", "dp|nse_cm|1", "sf|nse_cm|1"]
    entries = [hsm.update(5, [1]), hsm.lite(6, 2)]
    for at, name in enumerate(names):
        entries += [hsm.snapshot(5, hsm.Topic(name), [100 * at, 7]), hsm.update(5, [None, 50 + at])]
        entries += [
            hsm.snapshot(6, hsm.Topic("if|nse_cm|N"), [200 + at]),
            hsm.update(5, [1 + at]),
            hsm.lite(6, 300 + at),
        ]
    frames = [hsm.feed(1, [entry]) for entry in entries]

    decoder = HsmDecoder()
    seen = []
    for first in range(0, len(frames), size):
        batch = decoder.decode(frames[first : first + size])
        for rows in batch.rows:
            for row in range(len(rows)):
                name = batch.topics[rows.topic[row]].name
                seen.append((first + int(rows.frame[row]), name, *rows.values[:2, row].tolist()))

    expected = []
    for at, name in enumerate(names):
        base = 2 + 5 * at
        expected += [(base, name, 100 * at, 7), (base + 1, name, 100 * at, 50 + at)]
        expected += [(base + 2, "if|nse_cm|N", 200 + at, ABSENT), (base + 3, name, 1 + at, 50 + at)]
        expected += [(base + 4, "if|nse_cm|N", 300 + at, ABSENT)]
    assert sorted(seen) == expected
    assert [topic.name for topic in batch.topics] == ["sf|nse_cm|1", "if|nse_cm|N", "sf|nse_cm|2", "dp|nse_cm|1"]


def test_equal_ids_keep_the_order_of_arrival() -> None:
    """Many entries of few ids in one batch: any sort but a stable one mixes them."""
    entries = [hsm.snapshot(topic, hsm.Topic(f"sf|nse_cm|{topic}"), [0, topic]) for topic in (3, 1, 2)]
    entries += [hsm.update(1 + number % 3, [number]) for number in range(500)]

    (quotes, _, _) = HsmDecoder().decode([hsm.feed(1, entries)]).rows

    assert quotes.column("ltp").tolist()[3:] == list(range(500))
    assert quotes.column("volume").tolist()[3:] == [1 + number % 3 for number in range(500)]
    assert quotes.entry.tolist() == list(range(503))


@pytest.mark.parametrize("number", [0, 3])
def test_control_frames_know_their_number_type_and_fields(number: int) -> None:
    padding = [FIRST] * number
    frames = [
        hsm.control(hsm.AUTH, (1, b"K"), (2, b"\x00\x02"), (3, b"x" * 300)), hsm.control(hsm.BUFFER), b"\x00\x01\x0b",
        hsm.control(hsm.SUBSCRIBE), hsm.control(hsm.MODE, (1, b"N")), hsm.control(hsm.PAUSE), hsm.control(hsm.RESUME),
        hsm.control(hsm.UNSUBSCRIBE, (1, b"")),
    ]  # fmt: skip

    controls = HsmDecoder().decode([*padding, *frames]).controls

    assert [(each.frame, each.type) for each in controls] == [
        (number + at, kind) for at, kind in enumerate((1, 13, 11, 4, 12, 7, 8, 5))
    ]
    assert controls[0].fields == {1: b"K", 2: b"\x00\x02", 3: b"x" * 300}
    assert [each.accepted for each in controls] == [True, *[False] * 7]
    assert {each.notice for each in controls} == {None}


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [(51_001, b"limit", (51_001, "limit")), (-7, b"caf\xe9", (-7, "caf\\xe9")), (0, b"", (0, ""))],
)
def test_a_notice_has_a_signed_code_and_a_text(code: int, text: bytes, expected: tuple[int, str]) -> None:
    frame = hsm.control(hsm.NOTICE, (1, struct.pack(">i", code)), (2, text))

    (control,) = HsmDecoder().decode([frame]).controls

    assert control.notice == expected


def test_a_control_frame_that_is_cut_keeps_its_whole_fields_and_lists_the_rest() -> None:
    frame = hsm.control(hsm.AUTH, (1, b"K"), (2, b"ab"))
    starts = [4, 8, 13]
    for end in range(3, len(frame) + 1):
        batch = HsmDecoder().decode([frame[:end]])

        (control,) = batch.controls
        whole = sum(start <= end for start in starts[1:])
        assert list(control.fields) == [1, 2][:whole]
        left = [tuple(each) for each in batch.leftovers]
        if end == len(frame):
            assert left == []
        else:
            start = 0 if end == 3 else min(starts[whole], end - 1)
            assert left == [(0, start, end, Reason.MALFORMED)]
    for tail in (b"x", b"\x03\x00\x00"):
        (found,) = HsmDecoder().decode([frame + tail]).leftovers
        assert tuple(found) == (0, 13, 13 + len(tail), Reason.MALFORMED)


def test_texts_that_are_no_utf8_stay_readable_and_different() -> None:
    names = [b"sf|\xff", b"sf|\xfe", "sf|ß".encode()]
    entries = []
    for number, name in enumerate(names):
        plain = hsm.snapshot(number, hsm.Topic("sf|" + "?" * (len(name) - 3)), [1])
        entries.append(plain.replace(b"sf|" + b"?" * (len(name) - 3), name))

    batch = HsmDecoder().decode([hsm.feed(1, entries)])

    assert [topic.name for topic in batch.topics] == ["sf|\\xff", "sf|\\xfe", "sf|ß"]
