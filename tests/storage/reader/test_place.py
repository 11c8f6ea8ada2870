"""Which manifest is in force: of a bucket that of the highest generation, of a folder the one without a number."""

from datetime import date
from pathlib import Path

from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from harvester.lake.layout import Partition
from harvester.reader.place import Place

FOLDER = "lake/manifest/date=2026-11-20/host=nse-1"
PARTITION = Partition(date(2026, 11, 20), "nse-1")


def write(root: Path, *names: str) -> None:
    """Manifests that say how they are called."""
    for name in names:
        path = root / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_of_a_bucket_the_highest_generation_counts_by_its_number(tmp_path: Path) -> None:
    write(tmp_path / "bucket", "manifest-10.json", "manifest-9.json", "manifest-2.json", "manifest.json")
    place = Place("s3://bucket/lake", SubTreeFileSystem(str(tmp_path), LocalFileSystem()))

    assert place.partitions() == [PARTITION]
    assert place.read_manifest(PARTITION) == b"manifest-10.json"


def test_of_a_folder_the_one_without_a_number_counts(tmp_path: Path) -> None:
    write(tmp_path, "manifest-10.json", "manifest.json")
    place = Place(tmp_path / "lake")

    assert place.partitions() == [PARTITION]
    assert place.read_manifest(PARTITION) == b"manifest.json"
