"""Many files from one host: as many at a time as its transport likes, each with its tries, named in batches."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Protocol

from harvester.lake.manifest import FileEntry
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull.fetch import download, settle
from runbook.pull.store import Store
from runbook.pull.transport import Transport

ATTEMPTS = 3  # per file; a broken connection is continued, not begun anew
BATCH_FILES = 100  # that are synced together, where several come at a time

Came = Callable[[list[FileEntry]], None]
Failed = Callable[[FileEntry, RemoteError], None]


class Progress(Protocol):
    """Hears how a pull goes on, from several threads; a console shows it as a bar."""

    def begin(self, host: str, files: int, total_bytes: int) -> None: ...
    def file(self, path: str) -> None: ...
    def advance(self, count: int) -> None: ...


def bring(
    transport: Transport, files: list[FileEntry], store: Store, progress: Progress, came: Came, failed: Failed
) -> None:
    """Fetch the files. `came` hears of those that have their names now, `failed` of those that cannot be had.

    Both are called from this thread. Raises UnreachableError when the host is gone; what did come has its name then.
    """
    if transport.workers == 1:
        for file in files:
            trouble = _try(transport, file, store, progress)
            if trouble:
                failed(file, trouble)
            else:
                settle(store, [file])
                came([file])
        return
    for wave in _waves(files):
        _bring_wave(transport, wave, store, progress, came, failed)


def _bring_wave(
    transport: Transport, files: list[FileEntry], store: Store, progress: Progress, came: Came, failed: Failed
) -> None:
    batch: list[FileEntry] = []

    def finish() -> None:
        if batch:
            settle(store, batch)
            came([*batch])
            batch.clear()

    def note(file: FileEntry, trouble: RemoteError | None) -> None:
        if trouble:
            failed(file, trouble)
            return
        batch.append(file)
        if len(batch) == BATCH_FILES:
            finish()

    with ThreadPoolExecutor(transport.workers) as pool:
        left: dict[Future[RemoteError | None], FileEntry] = {
            pool.submit(_try, transport, file, store, progress): file for file in files
        }
        try:
            for future in as_completed([*left]):
                note(left.pop(future), future.result())
        except UnreachableError:
            pool.shutdown(cancel_futures=True)
            for future, file in left.items():
                if not future.cancelled() and not future.exception():
                    note(file, future.result())
            raise
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            finish()


def _waves(files: list[FileEntry]) -> list[list[FileEntry]]:
    """The files in groups without two of the same content, which would be one partial file."""
    waves: list[list[FileEntry]] = []
    seen: Counter[str] = Counter()
    for file in files:
        if seen[file.sha256] == len(waves):
            waves.append([])
        waves[seen[file.sha256]].append(file)
        seen[file.sha256] += 1
    return waves


def _try(transport: Transport, file: FileEntry, store: Store, progress: Progress) -> RemoteError | None:
    """Download one file, again after a broken connection or a mismatch; what lasts is returned."""
    progress.file(file.path)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            download(transport, file, store, progress.advance)
        except RemoteError as error:
            if attempt < ATTEMPTS:
                continue
            if isinstance(error, UnreachableError):
                raise
            return error
        else:
            return None
    raise AssertionError("the last attempt returns or raises")
