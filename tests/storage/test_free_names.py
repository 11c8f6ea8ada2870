"""A name that is taken, and the next one too: whatever gets a free name is there beside what was there before."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS, HandClock

from harvester.journal import JournalWriter, RunInfo, read_segment, recover
from harvester.journal.format import CONTROL, DATA, encode
from harvester.journal.quarantine import keep_link, keep_range, keep_whole
from harvester.lake.layout import DEPTH, SUPERSEDED, Partition
from harvester.lake.manifest import Manifest
from harvester.lake.publish.files import set_superseded_aside
from runbook.pull.store import LocalStore

TIMES = 5
NAME = f"{OPEN_NS}-77"
HEAD = b'{"type":"segment","format":1,"run_id":"r","streams":{}}'
Keep = Callable[[Path, bytes], object]
"""Has a content kept below a folder, where what is kept before has the same name."""


def segment_of(root: Path, content: bytes) -> Path:
    path = root / str(DAY) / f"{NAME}.open"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def by_recovery(root: Path, content: bytes) -> None:
    """A segment that a run left open, as one does whose clock was set back to where an earlier one began."""
    frames = [(CONTROL, 0, 0, 1, OPEN_NS, 5, HEAD), (DATA, 1, 0, 2, OPEN_NS, 6, content)]
    segment_of(root, b"".join(map(encode, frames)))
    assert not recover(root, clock=HandClock()).problems


def by_writer(root: Path, content: bytes) -> None:
    """Segments of a clock that stands still."""
    with JournalWriter(root, clock=HandClock(), run=RunInfo("h", "r", "c", {})) as writer:
        writer.append(1, 0, content, wall_ns=OPEN_NS, mono_ns=1)


def superseded(root: Path, content: bytes) -> None:
    partition = Partition(DAY, "h")
    path = root / partition.path(DEPTH) / "x.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    set_superseded_aside(root, Manifest(str(DAY), "h", 1, "r", (), ()), partition)
    assert not path.exists()


def by_pull(root: Path, content: bytes) -> None:
    store = LocalStore(root)
    path = store.lake / "x"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    store.set_aside(path)


def payloads(root: Path) -> list[bytes]:
    return [each.payload for path in sorted(root.glob("2*/*.seg")) for each in read_segment(path) if each.kind == DATA]


def files_in(folder: str) -> Callable[[Path], list[bytes]]:
    return lambda root: [path.read_bytes() for path in (root / folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (by_recovery, payloads),
        (by_writer, payloads),
        (lambda root, content: keep_range(root, segment_of(root, content), 0, 9), files_in("quarantine")),
        (lambda root, content: keep_whole(root, segment_of(root, content)), files_in("quarantine")),
        (lambda root, content: keep_link(root, segment_of(root, content)), files_in("quarantine")),
        (superseded, files_in(SUPERSEDED)),
        (by_pull, files_in("quarantine")),
    ],
    ids=["recovery", "writer", "damaged bytes", "whole files", "second names", "former builds", "pull"],
)
def test_what_is_kept_under_a_free_name_replaces_nothing_however_often_the_name_is_wanted(
    tmp_path: Path, keep: Keep, kept: Callable[[Path], list[bytes]]
) -> None:
    contents = [f"{number}".encode() for number in range(TIMES)]
    for content in contents:
        keep(tmp_path, content)

    assert sorted(kept(tmp_path)) == contents
