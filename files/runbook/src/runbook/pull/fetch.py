"""Files from a host into the store: resumed where they stopped, checked whole, and only then under their names."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from harvester.base.files import sync_directory
from harvester.lake.manifest import FileEntry
from runbook.fleet.ssh import RemoteError
from runbook.pull.hashing import CHUNK_BYTES, feed
from runbook.pull.store import Store, sync_file, sync_files, writing
from runbook.pull.transport import Transport

Advance = Callable[[int], None]


class MismatchError(RemoteError):
    """What arrived is not what the host's manifest promised; it is in quarantine."""


def fetch(transport: Transport, file: FileEntry, store: Store, advance: Advance) -> None:
    """Bring `file` to its final place; see `download` and `settle`."""
    download(transport, file, store, advance)
    settle(store, [file])


def download(transport: Transport, file: FileEntry, store: Store, advance: Advance) -> None:
    """Bring `file` among the partial ones, whole and hashed. What a former attempt left is kept and continued.

    `advance` hears the number of bytes each step adds (the first step: what was here already). Raises MismatchError
    when the hash is wrong, RemoteError when the host fails, HarvesterError when the disk is full.
    """
    partial = store.partial / file.sha256
    with writing(partial):
        store.partial.mkdir(parents=True, exist_ok=True)
        digest = _download(transport, file, partial, advance)
    if digest != file.sha256:
        kept = store.set_aside(partial)
        raise MismatchError(
            f"{transport.host}: {file.path} arrived with SHA-256 {digest[:12]}..., its manifest says "
            f"{file.sha256[:12]}.... What came is kept as {kept}. Pull again; if it stays so, the file is damaged on "
            f"the host: run `harvester verify` there."
        )


def settle(store: Store, files: Sequence[FileEntry]) -> None:
    """Make downloaded files durable, then give them their final names: until here nothing has appeared under those.

    Many files are synced at once, for one by one each would wait for the disk. Raises HarvesterError.
    """
    with writing(store.lake):
        if len(files) == 1:
            sync_file(store.partial / files[0].sha256)
        else:
            sync_files(store.partial, [store.partial / file.sha256 for file in files])
        folders = {file.path.rpartition("/")[0] for file in files}
        for folder in folders:
            (store.lake / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            os.rename(store.partial / file.sha256, store.lake / file.path)  # noqa: PTH104  # a thousand files
        for folder in folders:
            sync_directory(store.lake / folder)


def _download(transport: Transport, file: FileEntry, partial: Path, advance: Advance) -> str:
    """Append what is missing to `partial` and return the digest of the whole."""
    digest = hashlib.sha256()
    with partial.open("a+b", buffering=0) as target:
        size = target.tell()
        if size > file.bytes:
            target.truncate(0)
        elif size:
            target.seek(0)
        have = feed(digest, target) if size else 0
        advance(have)
        if have < file.bytes:
            with transport.open(file.path, have) as source:
                while have < file.bytes and (chunk := source.read(min(CHUNK_BYTES, file.bytes - have))):
                    _write_all(target.fileno(), chunk)
                    digest.update(chunk)
                    have += len(chunk)
                    advance(len(chunk))
                # one byte more than promised is as wrong as one byte less
                longer = source.read(1)
        else:
            longer = b""
    if have < file.bytes:
        raise RemoteError(
            f"{transport.host}: {file.path} ended after {have} of {file.bytes} bytes. Pull again to continue; if it "
            "stays so, the file is cut short on the host: run `harvester verify` there."
        )
    if longer:
        digest.update(longer)
    return digest.hexdigest()


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
