"""pull-data --so-far: the real rsync and the real tables so far, with an `ssh` that ends here."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import SBIN, moment

from harvester.base.errors import HarvesterError
from harvester.lake.layout import SO_FAR_NAME
from harvester.lake.so_far import build_so_far
from harvester.reader import open_lake
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.pull import so_far
from runbook.pull.pull import HostResult
from runbook.pull.so_far import pull_so_far
from runbook.pull.store import LocalStore
from runbook.tasks import presentation

pytestmark = pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")
SAID = "2026-11-20 so far"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What a host would write in the middle of a session."""
    place = StreamedPlace(tmp_path / "recorded")
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.at(40)
    recorder.books(0, SBIN, 1)
    recorder.writer.seal()
    target = tmp_path / "made"
    build_so_far(
        journal=place.journal,
        lake=place.lake,
        target=target,
        partition=place.partition,
        expectation=place.expectation(),
    )
    recorder.stop()
    return target


@pytest.fixture
def program(ssh: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's program: `harvester so-far --output DIR` copies what was made. Each test may write another."""
    path = tmp_path / "harvester"
    path.write_text(f'#!/bin/sh\n[ "$1 $2" = "so-far --output" ] || exit 2\ncp -r {made} "$3" && echo "{SAID}: $3"\n')
    path.chmod(0o755)
    runuser = ssh.with_name("runuser")
    runuser.write_text('#!/bin/sh\n[ "$*" != "${*#-u harvester-close -g harvester -- }" ] && shift 5 && exec "$@"\n')
    runuser.chmod(0o755)
    monkeypatch.setattr(so_far, "PROGRAM", str(path))
    return path


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host("lab1", "192.0.2.1", user="ops", control_directory=tmp_path_factory.mktemp("c"))


def left_there(ssh: Path) -> list[str]:
    """The folders that were named to the host and still are."""
    named = set(re.findall(r"\S+/harvester-so-far-[0-9a-f]+", ssh.with_name("ssh.log").read_text()))
    assert named
    return [path for path in named if Path(path).exists()]


def test_today_comes_as_a_lake_of_its_own_with_the_word_on_it(
    program: Path, host: Host, store: LocalStore, ssh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [found] = pull_so_far([host], store)

    assert (found.host, found.problems, found.folder) == ("lab1", (), store.root / "so-far" / "lab1")
    lake = open_lake(found.folder, so_far=True)
    assert lake.depth(SBIN, DAY, session="all").arrow().num_rows == 2
    assert not store.lake.exists()
    assert left_there(ssh) == []
    presentation.show_so_far([found])
    shown = " ".join(capsys.readouterr().out.split())
    assert "lab1: today so far, until 09:15:39 IST." in shown
    assert moment(39) == lake.on(DAY)[0].certificate["so_far_until_ns"]

    again = pull_so_far([host], store)[0]
    assert again.folder == found.folder
    assert sorted(path.name for path in (store.root / "so-far").iterdir()) == [".lock", "lab1"]


def test_what_came_before_stays_where_the_next_does_not_come_whole(
    program: Path, host: Host, store: LocalStore, ssh: Path, made: Path
) -> None:
    [found] = pull_so_far([host], store)
    assert found.folder is not None
    before = sorted(path.name for path in found.folder.rglob("*.parquet"))
    damaged = next(made.glob("depth_v3/*/*/*.parquet"))
    damaged.write_bytes(b"x" * damaged.stat().st_size)

    [again] = pull_so_far([host], store)
    assert again.folder is None
    assert [problem.path for problem in again.problems] == [damaged.relative_to(made).as_posix()]
    assert sorted(path.name for path in found.folder.rglob("*.parquet")) == before
    assert left_there(ssh) == []


def test_tables_without_the_word_until_when_they_go_are_a_problem(
    host: Host, store: LocalStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command would end with 0, and what the host said would read as if they were here."""

    def answer(_: object, words: list[str], **__: object) -> "subprocess.CompletedProcess[bytes]":
        code, why = (1, b"cat: no such file") if SO_FAR_NAME in words[-1] else (0, b"")
        return subprocess.CompletedProcess(words, code, SAID.encode(), why)

    monkeypatch.setattr(SshConnection, "run", answer)
    monkeypatch.setattr(so_far, "pull", lambda *_: [HostResult(host.name)])

    [found] = pull_so_far([host], store)

    assert found.folder is None
    presentation.show_so_far([found])
    assert " ".join(capsys.readouterr().out.split()) == (
        f"missing: lab1: {SO_FAR_NAME}: it cannot be read there (cat: no such file), so until when the tables go is not"
        " known. Run it again."
    )


def test_what_a_killed_run_left_is_no_part_of_what_comes(program: Path, host: Host, store: LocalStore) -> None:
    left = store.root / "so-far/.lab1/lake/depth_v3/date=2026-11-19/host=lab1/part-0.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of another day")
    [found] = pull_so_far([host], store)
    assert found.folder and open_lake(found.folder, so_far=True).days() == [DAY]
    assert not [path for path in (store.root / "so-far").rglob("*") if "2026-11-19" in str(path)]


def test_a_host_that_has_nothing_yet_says_so(
    program: Path, host: Host, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    program.write_text("#!/bin/sh\necho nothing of a session is sealed yet\n")
    [found] = pull_so_far([host], store)
    assert (found.folder, found.problems) == (None, ())
    presentation.show_so_far([found])
    assert "lab1: nothing of a session is sealed yet" in capsys.readouterr().out


def test_a_host_that_cannot_is_a_problem_and_the_next_is_asked(
    program: Path, host: Host, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    program.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    found = pull_so_far([host, host], store)
    assert [len(each.problems) for each in found] == [1, 1]
    presentation.show_so_far(found)
    assert "could not be made there (the disk is full)" in " ".join(capsys.readouterr().out.split())


def test_of_two_at_the_same_time_the_second_is_refused_and_takes_nothing_from_the_first(
    program: Path, host: Host, store: LocalStore, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would empty the folder in which the tables of a host come."""
    monkeypatch.setattr("runbook.pull.store.LOCK_TRIES", 0)
    bring, refused = so_far._bring, list[str]()

    def meanwhile(*arguments: Any) -> Any:
        with pytest.raises(HarvesterError) as error:
            pull_so_far([host], store)
        refused.append(str(error.value))
        return bring(*arguments)

    monkeypatch.setattr(so_far, "_bring", meanwhile)
    [found] = pull_so_far([host], store)

    assert not found.problems and found.folder and open_lake(found.folder, so_far=True).days() == [DAY]
    assert refused == [
        f"Another pull or clean-up is using {store.root / 'so-far'}. Wait for it to end, or name another directory with"
        " --output."
    ]
    assert left_there(ssh) == []
    monkeypatch.setattr(so_far, "_bring", bring)
    assert not pull_so_far([host], store)[0].problems, "the first one's end is the next one's begin"
