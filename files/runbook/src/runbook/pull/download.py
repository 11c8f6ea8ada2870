"""Files from a host into the store: resumed where they stopped, checked whole, and only then under their names."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, sync_directory
from harvester.lake.manifest import SELF, FileEntry, hash_file, load_manifest, self_hash_of
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull.manifests import DayManifest
from runbook.pull.store import FOLDER_MODE, LocalStore, sync_files, writing
from runbook.pull.transport import Fetched, Progress, Transport

ATTEMPTS = 3  # per file; a broken connection is continued, not begun anew
BATCH_FILES, BATCH_BYTES = 100, 64 << 20  # that are synced together

Came = Callable[[list[FileEntry]], None]


class MismatchError(RemoteError):
    """A file differs from what the host's manifest states; it is in quarantine."""


def download(
    transport: Transport, files: Sequence[FileEntry], store: LocalStore, progress: Progress, came: Came
) -> list[tuple[FileEntry, RemoteError]]:
    """Download the files and call `came` with each batch that is published. Returned are those that failed, and why.

    Bytes that former attempts left here count as progress. Raises UnreachableError when the host is gone,
    HarvesterError when the disk is full; what did come has its name then.
    """
    left: dict[str, FileEntry] = {file.path: file for file in files}
    causes: dict[str, RemoteError] = {}
    progress.advance(sum(_begun(file, store) or 0 for file in files))
    for attempt in range(1, ATTEMPTS + 1):
        batch: list[FileEntry] = []
        try:
            with writing(store.partial):
                for file, trouble in _round(transport, list(left.values()), store, progress):
                    if trouble:
                        causes[file.path] = trouble
                        continue
                    del left[file.path]
                    batch.append(file)
                    if len(batch) == BATCH_FILES or sum(file.bytes for file in batch) >= BATCH_BYTES:
                        settle(store, batch, came)
        except UnreachableError:
            if attempt == ATTEMPTS:
                raise
        finally:
            settle(store, batch, came)
        if not left:
            break
    for folder in {os.path.dirname(file.path) for file in files}:  # noqa: PTH120  # a thousand files
        with suppress(OSError):  # not empty, or gone already
            os.removedirs(store.partial / folder)
    return [(file, causes[path]) for path, file in left.items()]


def settle(store: LocalStore, batch: list[FileEntry], came: Came) -> None:
    """Make verified files durable, then give them their names: until here nothing appeared under those.

    Many files are synced at once, for one by one each would wait for the disk. The batch is empty afterwards.
    """
    if not batch:
        return
    with writing(store.lake):
        sync_files(store.partial, [store.partial / file.path for file in batch])
        folders = {file.path.rpartition("/")[0] for file in batch}
        for folder in folders:
            make_directory(store.lake / folder, FOLDER_MODE)
        for file in batch:
            os.rename(store.partial / file.path, store.lake / file.path)  # noqa: PTH104  # a thousand files
        for folder in folders:
            sync_directory(store.lake / folder)
    came([*batch])
    batch.clear()


def take_back(day: DayManifest, store: LocalStore) -> None:
    """Take files of a day that is not whole out of the lake where a former build of it is: a folder has one build.

    They are complete in partial/ then, where the next pull finds them.
    """
    try:
        here = load_manifest(store.lake, day.partition)
    except HarvesterError:
        here = None
    if here is None or self_hash_of(store.lake, day.partition) == json.loads(day.content)[SELF]:
        return
    listed = {file.path for file in here.files}
    for file in day.files:
        if file.path not in listed and (store.lake / file.path).exists():
            with writing(store.partial / file.path):
                (store.lake / file.path).rename(store.partial / file.path)
                sync_directory((store.lake / file.path).parent)


def _round(transport: Transport, files: list[FileEntry], store: LocalStore, progress: Progress) -> Iterator[Fetched]:
    """One attempt at each file: verified below partial/, or why it is not."""
    here = [file for file in files if _begun(file, store) == file.bytes]
    yield from ((file, _verify(file, store, transport.host)) for file in here)
    missing = [file for file in files if file not in here]
    for file, trouble in transport.fetch(missing, store.partial, progress) if missing else ():
        yield file, trouble or _verify(file, store, transport.host)


def _begun(file: FileEntry, store: LocalStore) -> int | None:
    """How many bytes of the file are below partial/; what is longer than the whole is begun anew."""
    partial = store.partial / file.path
    if not partial.exists():
        return None
    if partial.stat().st_size > file.bytes:
        os.truncate(partial, 0)
    return partial.stat().st_size


def _verify(file: FileEntry, store: LocalStore, host: str) -> MismatchError | None:
    size, digest = hash_file(store.partial / file.path)
    if (size, digest) == (file.bytes, file.sha256):
        return None
    kept = store.set_aside(store.partial / file.path)
    return MismatchError(
        f"{host}: {file.path} arrived with {size} bytes and SHA-256 {digest[:12]}..., its manifest says "
        f"{file.bytes} and {file.sha256[:12]}.... What came is kept as {kept}. Pull again; if it stays so, the file is "
        "damaged on the host: run `harvester verify` there."
    )
