"""What every way of reading a host's lake offers, and the one for a lake on this very machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from harvester.lake.layout import MANIFEST, MANIFEST_NAME
from harvester.lake.manifest import FileEntry
from runbook.fleet.ssh import RemoteError

CHUNK_BYTES = 1 << 20
Fetched = tuple[FileEntry, RemoteError | None]
"""A file of which nothing more comes now, and why it is not whole where that is known."""


class Progress(Protocol):
    """Is told how a pull goes on, from several threads; a console shows it as a bar."""

    def look(self, host: str) -> None: ...
    def begin(self, host: str, files: int, total_bytes: int) -> None: ...
    def file(self, path: str) -> None: ...
    def advance(self, count: int) -> None: ...


class Transport(Protocol):
    """Read access to one host's lake. Paths are relative to it; UnreachableError when the host is gone."""

    host: str

    def read_manifests(self) -> dict[str, bytes]:
        """The current manifests by path, `manifest/date=.../host=.../manifest.json`. Raises RemoteError."""

    def list_files(self) -> dict[str, int]:
        """Every file of the lake with its size in bytes. Raises RemoteError."""

    def fetch(self, files: Sequence[FileEntry], folder: Path, progress: Progress) -> Iterator[Fetched]:
        """Append what is missing to each file below `folder`, where it has its path in the lake.

        Nothing is verified here. Raises UnreachableError; what has come until then stays.
        """

    def close(self) -> None:
        """End the connection."""


class LocalTransport:
    """The lake of a harvester that runs on this very machine."""

    def __init__(self, host: str, lake: Path) -> None:
        self.host = host
        self.lake = lake

    def read_manifests(self) -> dict[str, bytes]:
        found = self.lake.glob(f"{MANIFEST}/date=*/host=*/{MANIFEST_NAME}")
        return {str(path.relative_to(self.lake)): path.read_bytes() for path in sorted(found)}

    def list_files(self) -> dict[str, int]:
        found = (path for path in self.lake.rglob("*") if path.is_file())
        return {str(path.relative_to(self.lake)): path.stat().st_size for path in found}

    def fetch(self, files: Sequence[FileEntry], folder: Path, progress: Progress) -> Iterator[Fetched]:
        for file in files:
            progress.file(file.path)
            try:
                source = (self.lake / file.path).open("rb")
            except OSError as error:
                yield file, RemoteError(f"{self.host}: {file.path} cannot be read ({error.strerror}).")
                continue
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            with source, (folder / file.path).open("ab") as copy:
                source.seek(copy.tell())
                while chunk := source.read(CHUNK_BYTES):
                    copy.write(chunk)
                    progress.advance(len(chunk))
            yield file, None

    def close(self) -> None:
        """Nothing is held open."""
