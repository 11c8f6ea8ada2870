"""The orders of system calls on which the journal's durability rests: see tests/durability.py for the rule."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.durability import Durability, recording, watched
from tests.journals import DAY, OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.files import make_directory, publish, replace_file, sync_directory, write_new
from harvester.journal import JournalWriter, RunInfo, recover, scan
from harvester.journal.format import CONTROL, DATA, Record, day_directory, encode
from harvester.journal.quarantine import keep_link, keep_range, keep_whole
from harvester.journal.repair import cut_and_close, seal_as
from harvester.journal.segment import Limits, SegmentFile, Spare

RUN = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"}, run_id="run", boot_id="boot")
NAME = f"{OPEN_NS}-77"
GOOD = encode(Record(CONTROL, 0, 0, 1, OPEN_NS, 5, b'{"type":"segment"}')) + encode(
    Record(DATA, 1, 0, 2, OPEN_NS, 6, b"p")
)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A segment left open, with a torn tail."""
    path = tmp_path / DAY.isoformat() / f"{NAME}.open"
    path.parent.mkdir()
    path.write_bytes(GOOD + b"torn")
    return path


def open_writer(journal: Path, clock: HandClock) -> JournalWriter:
    return JournalWriter(journal, clock=clock, run=RUN, sync_interval_ms=3_600_000)


def _unsynced(root: Path) -> None:
    (root / "new").write_bytes(b"data")


def _renamed_unsynced(root: Path) -> None:
    (root / ".tmp").write_bytes(b"data")
    publish(root / ".tmp", root / "new")


def _parent_unsynced(root: Path) -> None:
    with (root / ".tmp").open("wb") as file:
        os.fsync(file.fileno())
    (root / ".tmp").rename(root / "new")


def _removed_too_early(root: Path) -> None:
    (root / "new").mkdir()
    (root / "old").unlink()
    sync_directory(root)


@pytest.mark.parametrize("slip", [_unsynced, _renamed_unsynced, _parent_unsynced, _removed_too_early])
def test_the_rule_notices_each_kind_of_slip(tmp_path: Path, slip: Callable[[Path], None]) -> None:
    (tmp_path / "old").write_bytes(b"old")
    found = Durability(tmp_path)
    with recording(found):
        slip(tmp_path)
    assert found.broken or found.lost()


def test_a_new_file_is_durable_when_the_call_returns(tmp_path: Path) -> None:
    with watched(tmp_path):
        write_new(tmp_path / "a", b"data")


def test_a_replaced_file_is_durable_when_the_call_returns(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with watched(tmp_path):
        replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_new_directories_are_durable_when_the_call_returns(tmp_path: Path) -> None:
    with watched(tmp_path):
        make_directory(tmp_path / "a" / "b" / "c")


def test_a_segment_is_durable_from_its_creation_and_when_it_is_sealed(tmp_path: Path) -> None:
    limits = Limits(1 << 20, NS_PER_SECOND)
    with watched(tmp_path):
        made = SegmentFile(tmp_path, DAY, limits, wall_ns=OPEN_NS, mono_ns=1)
    with watched(tmp_path):
        made.write(GOOD, 1)
        made.sync()
    with watched(tmp_path):
        made.write(GOOD, 3)
        made.seal()


def test_a_file_made_ahead_has_one_name_once_its_segment_is_synced(tmp_path: Path) -> None:
    """Were the former one back after a power cut, recovery would set the segment's records aside."""
    make_directory(day_directory(tmp_path, DAY))
    with watched(tmp_path) as disk:
        spare = Spare(tmp_path)
        sync_directory(tmp_path)
        made = SegmentFile(tmp_path, DAY, Limits(1 << 20, NS_PER_SECOND), wall_ns=OPEN_NS, mono_ns=1, spare=spare)
        made.write(GOOD, 1)
        made.sync()
        assert disk.returning(hidden=True) == []
        made.abandon()


def test_a_writer_that_is_closed_leaves_nothing_to_a_power_cut(tmp_path: Path) -> None:
    clock = HandClock()
    with watched(tmp_path) as disk, open_writer(tmp_path / "journal", clock) as writer:
        writer.append(1, 0, b"x", wall_ns=clock.wall_ns(), mono_ns=1)
    assert disk.returning() == []


def test_a_record_written_while_the_disk_syncs_is_not_called_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HandClock()
    with open_writer(tmp_path, clock) as writer:
        before = writer.append(1, 0, b"before", wall_ns=clock.wall_ns(), mono_ns=1)
        during = []

        def sync(descriptor: int) -> None:
            during.append(writer.append(1, 0, b"during", wall_ns=clock.wall_ns(), mono_ns=1))

        monkeypatch.setattr(os, "fdatasync", sync)
        writer.sync()
        assert (during, writer.durable_seq) == ([before + 1], before)


def test_what_recovery_seals_cuts_and_keeps_is_durable(tmp_path: Path, segment: Path) -> None:
    with watched(tmp_path) as disk:
        recover(tmp_path, clock=HandClock())
    kept = f"quarantine/{DAY}_{NAME}_{len(GOOD)}-{len(GOOD) + 4}"
    assert disk.first(f"durable {kept}") < disk.first(f"synced {DAY}/{NAME}.open"), "kept before it is cut"
    assert disk.returning() == []


def test_a_marker_goes_after_the_file_that_it_marks_is_replaced(tmp_path: Path, segment: Path) -> None:
    segment.with_suffix(".suspect").touch()
    with watched(tmp_path) as disk:
        recover(tmp_path, clock=HandClock())
    marker = disk.first(f"unlink {DAY}/{NAME}.suspect")
    assert disk.first(f"durable quarantine/{DAY}_{NAME}.suspect") < disk.first(f"durable {DAY}/{NAME}.open") < marker


def test_a_segment_cut_and_closed_is_durable_before_it_is_renamed(tmp_path: Path, segment: Path) -> None:
    with watched(tmp_path):
        cut_and_close(segment, scan(segment), HandClock())


def test_a_segment_is_synced_before_it_is_sealed(tmp_path: Path) -> None:
    with watched(tmp_path):
        (tmp_path / f"{NAME}.open").write_bytes(GOOD)
        seal_as(tmp_path / f"{NAME}.open")


def test_a_copied_range_is_durable_also_the_second_time(tmp_path: Path, segment: Path) -> None:
    for _ in range(2):
        with watched(tmp_path):
            keep_range(tmp_path, segment, 3, 9)


def test_a_file_that_moves_to_quarantine_is_durable_there_and_gone_here(tmp_path: Path, segment: Path) -> None:
    with watched(tmp_path) as disk:
        keep_whole(tmp_path, segment)
    assert disk.returning() == []


def test_a_second_name_in_quarantine_is_durable(tmp_path: Path, segment: Path) -> None:
    with watched(tmp_path):
        keep_link(tmp_path, segment)
