"""What a close says of segments that are cut, lost, empty or without their head, and of days before that are away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.field import damaged
from tests.journals import DAY, OPEN_NS, HandClock
from tests.storage.lake.conftest import Place

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.journal.format import HEADER, day_directory
from harvester.lake.certificate.damage import tell_damage
from harvester.lake.day.damage import find_damage
from harvester.lake.day.earlier import find_earlier
from harvester.lake.day.segments import DayIndex, find_sources, read_index
from harvester.lake.explained import UndecodedError
from harvester.lake.layout import RAW, Partition
from harvester.lake.manifest import SegmentEntry, make_manifest, write_manifest


def cut_the_last_record(place: Place) -> None:
    """Of the only segment, whose run has told nothing of its end."""
    damaged.cut_the_only_segment_short(place)
    (path,) = damaged.segments(place)
    path.write_bytes(path.read_bytes() + bytes(7))


def empty_the_last_segment(place: Place) -> None:
    damaged.record(place)
    damaged.segments(place)[-1].write_bytes(b"")


def read(place: Place) -> DayIndex:
    return read_index(find_sources(day_directory(place.journal, DAY), place.lake / place.partition.path(RAW)))


@pytest.mark.parametrize(
    ("spoil", "cause", "expected"),  # records and bytes; seconds from the opening
    [
        (cut_the_last_record, "cut short: {last}", (None, 7, 25.032, None)),
        (empty_the_last_segment, "empty: {last}", (None, 0, 100, None)),
        (damaged.lose_a_segment, "missing: between {1} and {2}", (9, 0, 35.032, 50.032)),
        (damaged.lose_the_first_segment, "missing: before {0}", (11, 0, None, 15.032)),
    ],
)
def test_a_lost_segment_is_named_with_what_is_on_both_sides(
    place: Place, spoil: Callable[[Place], None], cause: str, expected: tuple[float | None, ...]
) -> None:
    spoil(place)
    names = [path.stem for path in damaged.segments(place)]
    (found,) = find_damage(read(place), [], [], {}, frozenset())
    assert found.cause == cause.format(*names, last=names[-1]) and found.loses
    edges = [at and (at - OPEN_NS) / NS_PER_SECOND for at in (found.from_ns, found.to_ns)]
    assert (found.records, found.bytes, *edges) == expected


def test_polls_of_a_segment_without_its_head_are_told_and_not_dropped_in_silence(place: Place) -> None:
    damaged.record(place)
    first = damaged.segments(place)[0]
    damaged.flip(first, damaged.offsets(first)[0] + HEADER.size + 5)
    with pytest.raises(UndecodedError) as told:
        place.close()
    assert "7 parts of messages of fyers-rest are recorded and not decoded (the head of their" in str(told.value)


def test_control_records_that_are_no_object_with_a_type_are_counted(place: Place, monkeypatch: Any) -> None:
    recorder = place.start()
    recorder.open_window(2)
    with monkeypatch.context() as patched:
        patched.setattr("harvester.journal.writer.encode_control", lambda record: record["payload"])
        for payload in (b"{", b"[]"):
            recorder.control("odd", payload=payload)
    recorder.poll_all(0, 1)
    recorder.stop()
    (found,) = find_damage(read(place), [], [], {}, frozenset())
    assert (found.kind, found.records, found.detail, found.loses) == ("malformed", 2, "without a type 2", False)


@pytest.mark.parametrize(
    ("before", "records"),
    [
        ("here", None),
        ("closed", None),  # its segments are away, and went into a day that was closed here
        ("unreadable", 4),  # the manifest that would say so is damaged
        ("other", 4),  # the closed day knows another process alone
        ("nothing", 4),
    ],
)
def test_a_run_of_the_day_before_has_lost_what_no_earlier_day_accounts_for(
    place: Place, before: str, records: int | None
) -> None:
    place.clock = HandClock(midnight_ns(DAY) - NS_PER_SECOND)
    recorder = place.start()
    recorder.control("began")
    place.clock.now_ns = OPEN_NS
    recorder.open_window(2)
    recorder.poll_all(0, 1)
    recorder.stop()
    yesterday = Partition(DAY - timedelta(days=1), "lab1")
    (segment,) = day_directory(place.journal, yesterday.date).glob("*.seg")
    name = "1-1" if before == "other" else segment.stem
    if before in ("closed", "unreadable", "other"):
        write_manifest(place.lake, yesterday, make_manifest(yesterday, 1, [], [SegmentEntry(name, 1, "0" * 64, 1)]))
    if before == "unreadable":
        (place.lake / yesterday.manifest).write_text("{")
    if before != "here":
        segment.unlink()
    index = read(place)
    earlier = find_earlier(place.journal, place.lake, place.partition, index)
    found = find_damage(index, [], [], earlier.begun, frozenset())
    lost = [("missing", records, None)] if records else []
    assert [(each.kind, each.records, each.from_ns) for each in found] == lost
    assert list(earlier.begun.values()) == {"here": [4], "closed": [None]}.get(before, [])


def test_a_certificate_from_before_damage_was_named_tells_its_sums() -> None:
    (told,) = tell_damage({"date": "2026-07-31", "journal": {"damaged_bytes": 1200, "unattributed_records": 2}})
    sums = "1,200 bytes in it that are no record, 2 records without a symbol"
    assert told.startswith(f"The journal of this day has {sums};")
    assert "`harvester close --date 2026-07-31 --rebuild` names them" in told
    assert tell_damage({"date": "2026-07-31", "journal": {"damaged_bytes": 0}}) == []
