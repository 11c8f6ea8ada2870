"""What the recorder monitors beside the data: steps of the clock, its offset, room on the disk, a file that changes."""

import os
from pathlib import Path
from types import SimpleNamespace as Thing

import pytest

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.monitors import ClockMonitor, DiskMonitor, FileMonitor

STEP = 50 * NS_PER_MS
LIMIT = 10 * NS_PER_SECOND
HALF = NS_PER_SECOND // 2


def test_the_first_look_is_no_step_and_each_is_measured_from_the_last() -> None:
    watch = ClockMonitor()
    assert (watch.steps, watch.offset_ns, watch.is_off) == (0, None, False)
    looks = [(5, 0), (5 + STEP, 0), (5 + STEP - STEP, 0), (6 + STEP, 0), (7 + STEP, 1), (6, 1), (5 - STEP, 1)]
    assert [watch.check(*look) for look in looks] == [0, 0, 0, STEP + 1, 0, -STEP - 1, -STEP - 1 + STEP * 0]
    assert watch.steps == 3


def test_a_step_forgets_what_was_known_of_the_offset() -> None:
    watch = ClockMonitor()
    watch.check(0, 0)
    watch.compare(0, HALF + 7)
    assert watch.offset_ns == 7
    watch.check(STEP, 0)
    assert watch.offset_ns == 7
    watch.check(2 * STEP + 1, 0)
    assert watch.offset_ns is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_large_offset_counts_when_the_next_answer_repeats_it(sign: int) -> None:
    watch = ClockMonitor()

    def offset_after(offset_ns: int | None) -> int | None:
        watch.compare(None if offset_ns is None else NS_PER_SECOND, NS_PER_SECOND + HALF + (offset_ns or 0))
        return watch.offset_ns

    far = sign * (LIMIT + 1)
    assert offset_after(None) is None
    assert offset_after(far) is None, "one late answer"
    assert offset_after(sign * LIMIT) == sign * LIMIT and not watch.is_off
    assert offset_after(far) == sign * LIMIT, "again one"
    assert offset_after(None) == sign * LIMIT, "an answer without a date says nothing"
    assert offset_after(far) == far and watch.is_off
    assert offset_after(2 * far) == 2 * far, "it goes on"
    assert offset_after(3) == 3 and not watch.is_off
    assert offset_after(far) == 3, "and begins anew"


def test_a_disk_that_was_full_has_room_again_with_a_twentieth_more(monkeypatch: pytest.MonkeyPatch) -> None:
    free = 0
    asked: list[object] = []
    monkeypatch.setattr(os, "statvfs", lambda place: asked.append(place) or Thing(f_bavail=free // 4, f_frsize=4))
    monitor = DiskMonitor(Path("/data"), 2000)
    assert (monitor.free_bytes, monitor.is_full) == (0, False)
    for free, full, news in (
        (2000, False, False), (1996, True, True), (2000, True, False), (2096, True, False), (2100, False, True),
        (2000, False, False), (1996, True, True),
    ):  # fmt: skip
        assert (monitor.check(), monitor.is_full, monitor.free_bytes) == (news, full, free)
    assert set(asked) == {Path("/data")}


def test_a_file_has_changed_once_for_each_change_and_not_by_going(tmp_path: Path) -> None:
    path = tmp_path / "log"
    monitor = FileMonitor(path)
    assert not monitor.has_changed()
    path.write_text("a")
    assert [monitor.has_changed() for _ in range(2)] == [True, False]
    path.unlink()
    assert not monitor.has_changed()
    path.write_text("longer")
    assert [monitor.has_changed() for _ in range(2)] == [True, False]
    assert not FileMonitor(path).has_changed(), "it is as it was at the beginning"
    assert not FileMonitor(None).has_changed()
