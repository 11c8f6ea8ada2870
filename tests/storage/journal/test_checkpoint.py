"""From which segments a start reads the day: from the last checkpoint on, and all of them where time went back."""

import os
from pathlib import Path

import pytest

from harvester.journal.checkpoint import segments_since_checkpoint
from harvester.journal.format import CONTROL, DATA, Record, encode, encode_control

STATE, GAP = {"type": "state", "open": [], "feeds": {}}, {"type": "gap_close", "gap_id": "a", "to_ns": 1}
SECOND = 1_000_000_000


def segment(folder: Path, number: int, written_s: float, *controls: dict[str, object]) -> Path:
    """A sealed segment with these control records behind one of data, written at that second."""
    records = [Record(DATA, 1, 0, 1, 5, 5, b"x" * 20)]
    records += [Record(CONTROL, 0, 0, seq, 5, 5, encode_control(each)) for seq, each in enumerate(controls, start=2)]
    path = folder / f"{number}-7.seg"
    path.write_bytes(b"".join(map(encode, records)))
    os.utime(path, ns=(0, int(written_s * SECOND)))
    return path


@pytest.mark.parametrize(
    ("states", "first"), [("....", 0), ("#...", 0), (".#..", 1), (".##.", 2), ("#..#", 3), ("####", 3)]
)
def test_a_start_reads_from_the_last_checkpoint_on(tmp_path: Path, states: str, first: int) -> None:
    paths = [
        segment(tmp_path, place, 100 + place, *([STATE] if state == "#" else []), GAP)
        for place, state in enumerate(states)
    ]

    assert segments_since_checkpoint(paths) == paths[first:]
    assert segments_since_checkpoint([]) == []


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ((100, 101, 102), 2),
        ((100, 100, 100), 2),
        ((100, 101, 99), 0),
        ((102, 100, 101), 0),
        ((101, 100.999_999_999, 102), 0),
    ],
    ids=["in order", "at once", "the last before others", "the first after others", "by a nanosecond"],
)
def test_where_the_clock_was_set_back_no_checkpoint_is_the_last(
    tmp_path: Path, written: tuple[float, ...], first: int
) -> None:
    """Names go by the clock, so the segment of the highest name may be of before the step, and its state old."""
    paths = [segment(tmp_path, place, at_s, STATE) for place, at_s in enumerate(written)]

    assert segments_since_checkpoint(paths) == paths[first:]


def test_a_segment_that_cannot_be_read_holds_no_checkpoint_and_hides_none(tmp_path: Path) -> None:
    paths = [segment(tmp_path, place, 100 + place, STATE) for place in range(3)]
    paths[2].unlink()
    paths[2].mkdir()

    assert segments_since_checkpoint(paths) == paths[1:]


def test_what_looks_like_a_checkpoint_and_is_data_or_damaged_is_none(tmp_path: Path) -> None:
    paths = [segment(tmp_path, place, 100 + place) for place in range(3)]
    state = encode_control(STATE)
    paths[1].write_bytes(encode(Record(DATA, 1, 0, 1, 5, 5, state)))
    damaged = bytearray(encode(Record(CONTROL, 0, 0, 1, 5, 5, state)))
    damaged[-1] ^= 1
    paths[2].write_bytes(damaged)
    for path in paths:
        os.utime(path, ns=(0, SECOND))

    assert segments_since_checkpoint(paths) == paths
