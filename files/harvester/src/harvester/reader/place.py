"""Where a lake lies: a folder, or a bucket. Files are named by their path in the lake in both."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from harvester.lake.layout import (
    MANIFEST,
    MANIFEST_NAME,
    PARTITION,
    SO_FAR_NAME,
    Partition,
    bucket_path,
    parse_partition,
)
from harvester.reader.errors import NotALakeError, UnreachableLakeError

BUCKET = "s3://"


class Place:
    """A folder or a prefix of a bucket, and the partitions whose manifests lie in it.

    `filesystem` is asked in place of the one that the address names, such as an S3FileSystem with an endpoint.
    """

    def __init__(self, address: str | Path, filesystem: Any = None, *, so_far: bool = False) -> None:
        """`so_far`: the day in it is not over. Raises NotALakeError where it is the other way round."""
        self.address = str(address).rstrip("/") or "/"
        self.is_bucket = self.address.startswith(BUCKET)
        self._manifests: dict[Partition, str] = {}
        if self.is_bucket:
            self.root = self.address.removeprefix(BUCKET)
            self.files = filesystem or _s3(self.address)
        else:
            self.root = str(Path(address).expanduser().absolute())
            self.files = filesystem or pafs.LocalFileSystem()
        self.so_far_ns = None if self.is_bucket else _until(Path(self.root))
        """Until when the day in it was recorded, in wall ns, where it is not over."""
        if so_far != (self.so_far_ns is not None):
            raise NotALakeError(
                f"{self.address} has closed days: open it without so_far."
                if so_far
                else f"{self.address} has a day so far, which is not closed: open_lake({self.address!r}, so_far=True)."
            )

    def partitions(self) -> list[Partition]:
        """Days of hosts that have a manifest, by date and host.

        Raises NotALakeError for a place that is none, UnreachableLakeError for one that cannot be listed.
        """
        try:
            found = self.files.get_file_info(pafs.FileSelector(self._at(MANIFEST), recursive=True))
        except (FileNotFoundError, NotADirectoryError):
            raise self._no_lake() from None
        except OSError as error:
            if isinstance(error, PermissionError) and not self.is_bucket:
                raise UnreachableLakeError(
                    f"{self.address}: Permission denied. Read it as its owner, or as a user whom its mode lets in."
                ) from error
            raise UnreachableLakeError(
                f"{self.address} cannot be listed ({str(error).splitlines()[0][:200]}). Correct the address, the rights"
                " or, of a bucket, the credentials (AWS_PROFILE) and the region (AWS_REGION)."
            ) from error
        self._manifests = {}
        for info in sorted((each for each in found if each.is_file), key=lambda each: _generation(each.base_name)):
            folder = info.path.removeprefix(self._at(MANIFEST)).lstrip("/").rpartition("/")[0]
            if PARTITION.match(folder) and self._is_manifest(info.base_name):
                self._manifests[parse_partition(folder)] = info.path
        if not self._manifests:
            raise self._no_lake()
        return sorted(self._manifests)

    def read_manifest(self, partition: Partition) -> bytes:
        """The manifest in force: of a bucket that of the highest generation. Raises OSError."""
        with self.files.open_input_stream(self._manifests[partition]) as stream:
            return bytes(stream.read())

    def read(self, path: str) -> bytes:
        """A whole file. Raises OSError, FileNotFoundError among them."""
        with self.files.open_input_stream(self._stored(path)) as stream:
            return bytes(stream.read())

    def open(self, path: str) -> Any:
        """A file for reading at any place. Raises OSError."""
        return self.files.open_input_file(self._stored(path))

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder; none where there is no folder. Raises OSError."""
        selector = pafs.FileSelector(self._at(folder), allow_not_found=True)
        return sorted(info.base_name for info in self.files.get_file_info(selector) if info.is_file)

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _stored(self, path: str) -> str:
        return self._at(bucket_path(path) if self.is_bucket else path)

    def _is_manifest(self, name: str) -> bool:
        return _generation(name) > 0 if self.is_bucket else name == MANIFEST_NAME

    def _no_lake(self) -> NotALakeError:
        near = () if self.is_bucket else ("*", "*/*")  # no deeper, for this may be somebody's whole home
        inside = [path for each in near for path in sorted(Path(self.root).glob(f"{each}/{MANIFEST}/date=*"))][:1]
        if inside:
            return NotALakeError(
                f"{self.address} is no lake, and {inside[0].parent.parent} is one: give that path to open_lake."
            )
        if not self.is_bucket and any(Path(self.root).glob("*/date=*")):
            return NotALakeError(
                f"{self.address} has tables and no manifest, so nobody can say which files count: half a copy. Pull the"
                " lake as a whole with ./inv pull-data."
            )
        return NotALakeError(
            f"{self.address} holds no closed day of a lake: there is no {MANIFEST}/date=.../host=.../ in it. Give the"
            " folder that ./inv pull-data filled, such as pulled/lake, or s3://BUCKET/lake/."
        )


def _s3(address: str) -> Any:
    try:
        return pafs.FileSystem.from_uri(address)[0]
    except (pa.ArrowException, OSError) as error:
        raise NotALakeError(
            f"{address} cannot be opened ({str(error).splitlines()[0][:200]}). Write it as s3://BUCKET/lake/, and see"
            " that AWS_PROFILE and AWS_REGION are those of the bucket."
        ) from error


def _until(root: Path) -> int | None:
    """What `harvester so-far` says beside the day that it wrote; None in a lake."""
    try:
        return int(json.loads((root / SO_FAR_NAME).read_bytes())["until_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _generation(name: str) -> int:
    """The number in manifest-<n>.json; 0 where there is none."""
    number = name.removeprefix("manifest-").removesuffix(".json")
    return int(number) if number.isdigit() else 0
