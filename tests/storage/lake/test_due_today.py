"""Whether the evening's close has today before it: a day counts as closed after its last window of any segment."""

import os
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest

from harvester.lake.close import is_due_today
from harvester.lake.layout import Partition
from harvester.lake.manifest import make_manifest, write_manifest

DAY = date(2026, 11, 27)
MORNING, EVENING, GOLD = (9 * 3600, 10 * 3600), (18 * 3600, 19 * 3600), (10 * 3600, 23 * 3600)


def hours(*windows: tuple[int, int]) -> Mock:
    return Mock(windows=lambda day, phases: [*windows] if (day, phases) == (DAY, ("continuous",)) else [])


@pytest.mark.parametrize(
    ("calendars", "closes"),
    [
        ([hours(MORNING)], MORNING[1]),
        ([hours(MORNING, EVENING)], EVENING[1]),
        ([hours(EVENING), hours(MORNING)], EVENING[1]),
        ([hours(MORNING), hours(MORNING, EVENING), hours(GOLD)], GOLD[1]),
    ],
)
@pytest.mark.parametrize(("after", "is_due"), [(-1, True), (0, False), (1, False)])
def test_a_day_that_was_closed_before_its_last_window_had_ended_is_due_again(
    tmp_path: Path, calendars: list[Mock], closes: int, after: int, is_due: bool
) -> None:
    partition = Partition(DAY, "h")
    assert is_due_today(tmp_path, "h", calendars, ("continuous",), DAY), "never closed"
    path = write_manifest(tmp_path, partition, make_manifest(partition, 1, [], []))
    os.utime(path, ns=(0, closes + after))

    assert is_due_today(tmp_path, "h", calendars, ("continuous",), DAY) is is_due


def test_a_day_without_a_window_is_closed_once(tmp_path: Path) -> None:
    partition = Partition(DAY, "h")
    write_manifest(tmp_path, partition, make_manifest(partition, 1, [], []))

    assert not is_due_today(tmp_path, "h", [hours(), hours()], ("continuous",), DAY)  # type: ignore[list-item]
