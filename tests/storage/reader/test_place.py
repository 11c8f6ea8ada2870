"""Which manifest is in force: of a bucket that of the highest generation, of a folder the one without a number."""

from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from harvester.lake.layout import Partition
from harvester.reader.errors import NotALakeError, UnreachableLakeError
from harvester.reader.files import DayFiles
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


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("lake", PermissionError(13, "Permission denied"), "Permission denied. Read it as its owner"),
        ("lake", OSError(5, "Input/output error"), r"cannot be listed \(\[Errno 5\] Input/output error\)"),
        ("s3://bucket/lake", PermissionError(13, "AWS Error ACCESS_DENIED"), "credentials .AWS_PROFILE."),
        ("s3://bucket/lake", OSError(5, "AWS Error SLOW_DOWN"), "cannot be listed"),
    ],
)
def test_a_place_that_cannot_be_listed_says_why_and_what_to_do(
    tmp_path: Path, address: str, error: OSError, words: str
) -> None:
    """What a folder's owner can put right is another thing than a bucket's credentials, or a disk that fails."""
    files = Mock(get_file_info=Mock(side_effect=error))

    with pytest.raises(UnreachableLakeError, match=words):
        Place(address if "://" in address else tmp_path / address, files).partitions()


def test_a_lake_on_the_disk_is_not_named_where_a_bucket_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bucket" / "lake" / "pulled" / "manifest" / "date=2026-11-20").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotALakeError, match=r"^s3://bucket/lake holds no closed day of a lake"):
        Place("s3://bucket/lake", SubTreeFileSystem(str(tmp_path), LocalFileSystem())).partitions()


@pytest.mark.parametrize("address", ["lake", "s3://bucket/lake"])
def test_a_table_in_a_bucket_alone_is_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A request takes 50 ms there; in a folder the columns that nobody asks for would be read for nothing."""
    name, asked = "gaps_v3/date=2026-11-20/host=nse-1/gaps.parquet", list[bool]()
    for root in (tmp_path / "lake", tmp_path / "bucket" / "lake"):
        (root / name).parent.mkdir(parents=True)
        pq.write_table(pa.table({"a": [1]}), root / name)

    class Watched(pq.ParquetFile):  # type: ignore[misc]
        def __init__(self, file: Any, *, pre_buffer: bool = False) -> None:
            asked.append(pre_buffer)
            super().__init__(file, pre_buffer=pre_buffer)

    monkeypatch.setattr(pq, "ParquetFile", Watched)
    files = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    place = Place(address, files) if "://" in address else Place(tmp_path / address)

    assert DayFiles(place, PARTITION).parquet(name).metadata.num_rows == 1
    assert asked == [place.is_bucket]
