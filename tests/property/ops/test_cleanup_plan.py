"""Whatever hosts, copies and manifests look like: nothing unproven is ever in a clean-up plan."""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.lake.cleanup import REMOVABLE
from harvester.lake.layout import MANIFEST, MANIFEST_NAME, Partition
from harvester.lake.manifest import FileEntry, Manifest
from runbook.pull.cleanup import decide
from runbook.pull.manifests import DayManifest, kind_of

CASES = 600
FIRST = date(2026, 11, 2)
NAMES = {"depth": "depth.parquet", "gaps": "gaps.parquet", "certificate": "certificate.json"}

sizes = st.integers(0, 5)
contents = st.integers(0, 2).map(lambda number: hashlib.sha256(bytes([number])).hexdigest())


@st.composite
def entries(draw: st.DrawFn, partition: Partition) -> FileEntry:
    kind = draw(st.sampled_from(["depth", "gaps", "certificate", "raw"]))
    name = NAMES.get(kind) or f"{draw(st.integers(1, 3))}-1.seg.zst"
    return FileEntry((partition.path(kind) / name).as_posix(), draw(sizes), draw(contents), 1)


@st.composite
def manifests(draw: st.DrawFn) -> DayManifest:
    partition = Partition(FIRST + timedelta(draw(st.integers(0, 5))), draw(st.sampled_from(["a", "b"])))
    files = draw(st.lists(entries(partition), max_size=5, unique_by=lambda entry: entry.path))
    manifest = Manifest(partition.date.isoformat(), partition.host, 1, "dev", tuple(files), ())
    return DayManifest((partition.path(MANIFEST) / MANIFEST_NAME).as_posix(), partition, manifest, b"")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[DayManifest], dict[str, int], list[FileEntry], int]:
    """Manifests of a host, its files (some gone, some of another size), and copies here (some of other content)."""
    days = draw(st.lists(manifests(), max_size=6, unique_by=lambda day: day.path))
    files = [file for day in days for file in day.files]
    remote = {file.path: file.bytes for file in files if draw(st.integers(0, 4))}
    remote |= {path: draw(sizes) for path in remote if not draw(st.integers(0, 3))}
    copies = [file for file in files if draw(st.booleans())]
    copies += [FileEntry(file.path, draw(sizes), draw(contents), 1) for file in files if not draw(st.integers(0, 2))]
    return days, remote, copies, draw(st.integers(0, 4))


def test_no_removal_is_unproven_young_or_a_proof_itself(figure: Callable[..., None]) -> None:
    seen = {"worlds": 0, "removals": 0, "unproven": 0}

    tried = examples(CASES)

    @tried
    @given(worlds())
    def check(world: tuple[list[DayManifest], dict[str, int], list[FileEntry], int]) -> None:
        days, remote, copies, keep_days = world
        seen["worlds"] += 1

        plan = decide("h1", days, remote, copies, keep_days=keep_days)

        newest = sorted({day.date for day in days}, reverse=True)[:keep_days]
        promised = {(day.date, file) for day in days for file in day.files}
        for removal in plan.removals:
            file = removal.file
            seen["removals"] += 1
            proven = any((c.path, c.bytes, c.sha256) == (file.path, file.bytes, file.sha256) for c in copies)
            seen["unproven"] += not proven
            assert proven
            assert (removal.date, file) in promised
            assert remote[file.path] == file.bytes
            assert removal.date not in newest
            assert kind_of(file) in REMOVABLE
        accounted = {entry.file.path for entry in (*plan.removals, *plan.kept)}
        assert accounted == set(remote), "each file of the host is in the plan once, with its reason"

    check()

    figure("cleanup_worlds", seen["worlds"], bound=f">= {tried.max_examples}", unit="worlds", gate=True)
    figure("cleanup_removals_planned", seen["removals"], bound=">= 50", unit="files", gate=True)
    figure("cleanup_unproven_removals", seen["unproven"], bound="== 0", unit="files", gate=True)
