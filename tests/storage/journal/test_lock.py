"""One writer per journal, and everybody may ask whether there is one."""

import fcntl
import os
import time
from pathlib import Path

import pytest
from tests.descriptors import none_left_open

from harvester.journal import JournalError
from harvester.journal.lock import JournalLock, is_locked


def test_a_journal_is_locked_from_the_start_of_its_recorder_to_the_end(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with none_left_open():
        lock = JournalLock(tmp_path)
        assert is_locked(tmp_path)
        lock.release()
        assert not is_locked(tmp_path)
        lock.release()


def test_the_lock_is_for_owner_and_group(tmp_path: Path) -> None:
    before = os.umask(0)
    with JournalLock(tmp_path):
        assert (tmp_path / ".lock").stat().st_mode & 0o7777 == 0o640
    os.umask(before)


def test_two_who_ask_at_once_do_not_take_each_other_for_a_recorder(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    with (tmp_path / ".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_locked(tmp_path)


def test_a_recorder_waits_for_who_asks_but_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lock").touch()
    waited: list[float] = []
    with (tmp_path / ".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == patience:
                fcntl.flock(other, fcntl.LOCK_UN)

        monkeypatch.setattr(time, "sleep", sleep)
        patience = 11
        with none_left_open(), pytest.raises(JournalError) as refused:
            JournalLock(tmp_path)
        assert str(refused.value) == (
            f"{tmp_path}/.lock: another recorder is writing this journal. Only one may: stop it, or give this one a"
            " data_dir of its own."
        )
        assert waited == [0.05] * 10
        waited.clear()
        patience = 9
        JournalLock(tmp_path).release()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    (tmp_path / ".lock").symlink_to(tmp_path / "other")
    with pytest.raises(JournalError) as refused:
        JournalLock(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}/.lock: the journal's lock cannot be opened (Too many levels of symbolic links). Correct the owner"
        " and mode of the directory, or data_dir in the configuration."
    )
    with pytest.raises(OSError, match="symbolic links"):
        is_locked(tmp_path)
