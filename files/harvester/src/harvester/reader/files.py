"""The files of a day of a host: what its manifest lists, whether it is here and ours, and opened."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from os import SEEK_END
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.market import MARKETS, Market
from harvester.lake.layout import MANIFEST, Partition
from harvester.lake.manifest import Manifest, parse_manifest, self_hash
from harvester.lake.manifest import NewerSchemaError as NewerManifestError
from harvester.reader.columns import NEWEST, SOURCES
from harvester.reader.errors import DamagedFileError, IncompleteLakeError, MixedLakesError, NewerSchemaError
from harvester.reader.place import Place

PULL = "Pull the day again with ./inv pull-data."
MAGIC = b"PAR1"
AWAY = "Move it away; ./inv pull-data downloads it again."


def looks_of(file: Any) -> str:
    """What a file that is open looks like where it does not begin and end as Parquet does; otherwise nothing."""
    file.seek(0)
    head = file.read(256)
    file.seek(max(0, file.seek(0, SEEK_END) - len(MAGIC)))
    if head[:4] == MAGIC:
        return "" if file.read(4) == MAGIC else "a Parquet file that was cut short"
    return "CSV" if b"," in head and b"\n" in head and head.isascii() else "something else"


class DayFiles:
    """The files of one day of one host."""

    def __init__(self, place: Place, partition: Partition) -> None:
        self.place = place
        self.partition = partition
        self.date: date = partition.date
        self.host = partition.host
        self._checked: set[str] = set()

    def __str__(self) -> str:
        return f"{self.place.address}, {self.date} of {self.host}"

    @cached_property
    def manifest(self) -> Manifest:
        """Raises DamagedFileError or NewerSchemaError."""
        try:
            with self.readable(f"{MANIFEST} of {self.date}, {self.host}"):
                return parse_manifest(self.place.read_manifest(self.partition), self.partition)
        except NewerManifestError as error:
            raise NewerSchemaError(f"{self.place.address}/{error}") from None

    @property
    def market(self) -> Market:
        """The market whose dates, times and currency the day has, by its manifest, which it raises as."""
        return MARKETS[self.manifest.market]

    def parquet(self, path: str) -> pq.ParquetFile:
        """A file of Parquet. Raises DamagedFileError."""
        with self.readable(path):
            file = self.place.open(path)
            try:
                return pq.ParquetFile(file, pre_buffer=self.place.is_bucket)
            except pa.ArrowInvalid as error:
                if looks := looks_of(file):
                    raise ValueError(f"it looks like {looks}: {error}") from error
                raise

    def schema_of(self, path: str, file: pq.ParquetFile) -> int:
        """Raises NewerSchemaError for one that this release does not read."""
        stated = (file.schema_arrow.metadata or {}).get(b"schema", b"")
        if not stated.isdigit():
            raise DamagedFileError(f"{self.place.address}/{path} names no schema, so it is no table of ours.", PULL)
        if int(stated) not in SOURCES:
            raise NewerSchemaError(
                f"{self.place.address}/{path} has schema {int(stated)}, and this release reads up to {NEWEST}. Install"
                " the release that wrote it, or a later one."
            )
        return int(stated)

    @contextmanager
    def readable(self, path: str) -> Iterator[None]:
        """DamagedFileError for a file that is not what its name says, IncompleteLakeError for one that is not here."""
        try:
            yield
        except FileNotFoundError:
            raise self._missing(path) from None
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = (str(error) or repr(error)).splitlines()[0][:160]
            raise DamagedFileError(f"{self.place.address}/{path} cannot be read ({why}).", AWAY) from error

    def find(self, kind: str) -> list[str]:
        """The paths of the files that the manifest lists in a kind's folder, in its order."""
        listed = [entry.path for entry in self.manifest.files if entry.folder == kind]
        if listed and kind not in self._checked:
            self._check(kind, listed)
            self._checked.add(kind)
        return listed

    def _check(self, kind: str, listed: list[str]) -> None:
        """Raises IncompleteLakeError or MixedLakesError. The folders of a bucket keep everything."""
        folder = self.partition.path(kind).as_posix()
        if self.place.is_bucket:
            return
        present = {f"{folder}/{name}" for name in self.place.names(folder) if not name.startswith(".")}
        missing = [path for path in listed if path not in present]
        others = present - {*listed} - self._former()
        if others:
            raise MixedLakesError(
                f"{self.place.address}/{min(others)} is in no manifest of this day, so files of another lake lie among"
                " these. Move it away, or copy each lake into a folder of its own."
            )
        if missing:
            raise self._missing(missing[0])

    def _former(self) -> set[str]:
        """What former generations listed, whose files older releases left where they were."""
        folder = self.partition.path(MANIFEST).as_posix()
        found: set[str] = set()
        for name in self.place.names(folder):
            if name.startswith("manifest-"):
                with self.readable(f"{folder}/{name}"):
                    content = json.loads(self.place.read(f"{folder}/{name}"))
                    if content.pop("self_sha256") == self_hash(content):
                        found |= {entry["path"] for entry in content["files"]}
        return found

    def _missing(self, path: str) -> IncompleteLakeError:
        return IncompleteLakeError(
            f"{self.place.address}/{path} is not here, and the manifest of {self.date} lists it: half a pull, or"
            " clean-up took it.",
            f"{PULL[:-1]}, or read it where it was pulled to.",
        )
