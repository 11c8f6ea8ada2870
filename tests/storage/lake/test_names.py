"""Names of built files: the generation and the content, in a lake and in a bucket; what goes aside."""

import hashlib
from pathlib import Path

import pytest
from tests.storage.lake.conftest import PARTITION

from harvester.lake.layout import BUILT, bucket_path, built_name, lake_path
from harvester.lake.manifest import FileEntry, Manifest, read_earlier, write_manifest
from harvester.lake.publish.files import Names, names_after, place, set_superseded_aside, temporary_for

FOLDER = "date=2026-11-23/host=lab1"


def built(lake: Path, data: bytes, kind: str, names: Names) -> FileEntry:
    """A file that a build wrote, under its final name."""
    temporary = temporary_for(lake, PARTITION, kind)
    temporary.write_bytes(data)
    entry = place(lake, temporary, 9, names)
    assert (entry.bytes, entry.sha256, entry.rows) == (len(data), hashlib.sha256(data).hexdigest(), 9)
    assert (lake / entry.path).read_bytes() == data and not temporary.exists()
    return entry


def test_a_placed_files_name_has_its_generation_and_its_content(tmp_path: Path) -> None:
    names = names_after(tmp_path, PARTITION, None)
    paths = [built(tmp_path, data, "depth", names).path for data in (b"one", b"two", b"one")]
    assert paths == [
        f"depth/{FOLDER}/depth-g1-7692c3ad3540bb80.parquet",
        f"depth/{FOLDER}/depth-g1-3fc4ccfe745870e2.parquet",
        f"depth/{FOLDER}/depth-g1-7692c3ad3540bb80.parquet",
    ]
    assert built(tmp_path, b"{}", "certificate", names).path == (
        f"certificate/{FOLDER}/certificate-g1-44136fa355b3678a.json"
    )
    assert temporary_for(tmp_path, PARTITION, "certificate").name == ".certificate.json.tmp"


def test_a_content_keeps_its_name_in_later_generations_and_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    entries = [built(tmp_path, b"one", kind, names_after(tmp_path, PARTITION, None)) for kind in ("depth", "gaps")]
    names = names_after(tmp_path, PARTITION, Manifest("2026-11-23", "lab1", 4, "r", (*entries,), ()))
    (tmp_path / entries[0].path).write_bytes(b"0ne")

    assert names.generation == 5
    assert [built(tmp_path, b"one", kind, names) for kind in ("depth", "gaps")] == entries
    assert (tmp_path / "superseded" / entries[0].path).read_bytes() == b"0ne"
    assert built(tmp_path, b"two", "gaps", names).path == f"gaps/{FOLDER}/gaps-g5-3fc4ccfe745870e2.parquet"


def test_a_name_that_has_had_another_content_is_not_kept(tmp_path: Path) -> None:
    """As releases up to November 2026 gave them: the third generation took the name of the first."""

    def manifest(generation: int, *named: tuple[str, bytes]) -> Manifest:
        files = tuple(
            FileEntry(f"depth/{FOLDER}/{name}", len(data), hashlib.sha256(data).hexdigest(), 9) for name, data in named
        )
        return Manifest("2026-11-23", "lab1", generation, "r", files, ())

    for number, name, data in ((1, "depth.parquet", b"one"), (2, "depth-2.parquet", b"two")):
        write_manifest(tmp_path, PARTITION, manifest(number, (name, data)))
    third = manifest(3, ("depth.parquet", b"three"))
    write_manifest(tmp_path, PARTITION, third)
    (tmp_path / PARTITION.path("manifest") / "manifest-0.json").write_text("{")
    second = load_earlier(tmp_path, 2)

    assert built(tmp_path, b"two", "depth", names_after(tmp_path, PARTITION, second)).path.endswith("/depth-2.parquet")
    renamed = built(tmp_path, b"three", "depth", names_after(tmp_path, PARTITION, third))
    assert renamed.path == f"depth/{FOLDER}/depth-g4-8b5b9db0c13db242.parquet"


def load_earlier(lake: Path, generation: int) -> Manifest:
    """A former generation's manifest."""
    [found] = [manifest for manifest in read_earlier(lake, PARTITION) if manifest.generation == generation]
    return found


@pytest.mark.parametrize("kind", BUILT)
def test_in_a_bucket_later_generations_lie_apart_from_the_first(kind: str) -> None:
    for generation, folder in ((1, kind), (2, f"{kind}-rebuilt"), (10, f"{kind}-rebuilt"), (19, f"{kind}-rebuilt")):
        name = built_name(kind, generation, "a" * 64)
        stored = bucket_path(f"{kind}/{FOLDER}/{name}")
        assert stored == f"{folder}/{FOLDER}/{name}"
        assert lake_path(stored) == f"{kind}/{FOLDER}/{name}"


@pytest.mark.parametrize(
    "path",
    [
        f"depth/{FOLDER}/depth.parquet", f"depth/{FOLDER}/depth-2.parquet", f"depth/{FOLDER}/depth-g2-1.parquet",
        f"raw/{FOLDER}/1-1.seg.zst", f"manifest/{FOLDER}/manifest-2.json", "removed-2.json",
    ],
)  # fmt: skip
def test_what_older_releases_named_and_what_is_not_built_stays_in_its_place(path: str) -> None:
    assert bucket_path(path) == path == lake_path(path)
    assert lake_path(path.replace("/", "-rebuilt/", 1)) == path.replace("/", "-rebuilt/", 1), "not ours"


def test_what_a_manifest_does_not_list_goes_aside_and_nothing_is_overwritten_there(tmp_path: Path) -> None:
    listed = FileEntry(f"gaps/{FOLDER}/gaps-2.parquet", 1, "", 1)
    manifest = Manifest("2026-11-23", "lab1", 1, "r", (listed,), ())
    for number in range(3):
        for kind in ("depth", "gaps", "certificate", "quotes", "index", "depth50", "bars", "raw", "manifest"):
            folder = tmp_path / PARTITION.path(kind)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{kind}.x").write_text(f"{kind} {number}")
            (folder / ".hidden").write_text("")
        (tmp_path / listed.path).write_text("listed")
        set_superseded_aside(tmp_path, manifest, PARTITION)

    for kind in ("depth", "gaps", "certificate", "quotes", "index", "depth50", "bars"):
        aside = tmp_path / "superseded" / PARTITION.path(kind)
        assert {path.name: path.read_text() for path in aside.iterdir()} == {
            f"{kind}.x": f"{kind} 0", f"{kind}.x.2": f"{kind} 1", f"{kind}.x.3": f"{kind} 2"
        }  # fmt: skip
        left = {path.name for path in (tmp_path / PARTITION.path(kind)).iterdir()}
        assert left == {".hidden", *(["gaps-2.parquet"] if kind == "gaps" else [])}
    assert (tmp_path / PARTITION.path("raw") / "raw.x").read_text() == "raw 2"
    assert (tmp_path / PARTITION.path("manifest") / "manifest.x").read_text() == "manifest 2"
