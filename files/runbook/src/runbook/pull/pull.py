"""pull-data: download closed days from hosts, verified, resumable, never half a file under its name.

Whole files are pulled: a table is not made for one symbol, and a filtered copy could not be checked against the
host's manifest. Symbols are selected when the data is read: in CSV exports, queries and the report.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harvester.base.errors import HarvesterError
from harvester.lake.layout import find_partitions
from harvester.lake.manifest import FileEntry
from runbook.fleet.ssh import RemoteError
from runbook.pull import receipt
from runbook.pull.download import download, take_back
from runbook.pull.manifests import DayManifest, former_files, install, is_former, parse
from runbook.pull.plan import Selection, bytes_wanted
from runbook.pull.store import LocalStore
from runbook.pull.transport import Progress, Transport
from runbook.pull.verified import VerifiedFiles

RESERVE_BYTES = 64 << 20


class Silent:
    """Progress that is not shown."""

    def look(self, host: str) -> None: ...
    def begin(self, host: str, files: int, total_bytes: int) -> None: ...
    def file(self, path: str) -> None: ...
    def advance(self, count: int) -> None: ...


@dataclass(frozen=True)
class Problem:
    """A file that is missing here or is wrong; `path` is empty for a problem of the whole host."""

    host: str
    path: str
    why: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.host}: {self.path + ': ' if self.path else ''}{self.why}"


@dataclass
class HostResult:
    """What a pull did for one host."""

    host: str
    dates: list[str] = field(default_factory=list)
    fetched: list[FileEntry] = field(default_factory=list)
    present: list[FileEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    receipt: str | None = None

    @property
    def fetched_bytes(self) -> int:
        return bytes_wanted(self.fetched)


def pull(
    transports: Iterable[Callable[[], Transport]],
    store: LocalStore,
    selection: Selection,
    progress: Progress | None = None,
) -> list[HostResult]:
    """Pull the selected days of every host in turn; a host that fails is a problem in its result, not an end.

    HarvesterError when the store is in use, has no room, or cannot be written: then no host can be served.
    """
    with store.locked():
        verified = VerifiedFiles(store)
        results = [_pull_host(connect, store, verified, selection, progress or Silent()) for connect in transports]
        for partition in find_partitions(store.lake):
            for path in former_files(store.lake, partition, verified.sha256):
                store.set_aside(path, verified=True)
        return results


def _pull_host(
    connect: Callable[[], Transport],
    store: LocalStore,
    verified: VerifiedFiles,
    selection: Selection,
    progress: Progress,
) -> HostResult:
    transport = connect()
    progress.look(transport.host)
    result = HostResult(transport.host)
    manifests: list[DayManifest] = []
    missing: list[FileEntry] = []

    def came(files: list[FileEntry]) -> None:
        verified.add_all([(file.path, file.sha256) for file in files], transport.host)
        result.fetched += files

    try:
        manifests += _read_manifests(transport, selection, store, result)
        for file in (file for manifest in manifests for file in selection.files(manifest)):
            (result.present if _is_here(file, store, verified, result.host) else missing).append(file)
        missing = _still_there(transport, missing, result)
        _check_room(store, missing)
        progress.begin(transport.host, len(missing), bytes_wanted(missing))
        failed = download(transport, missing, store, progress, came)
        result.problems += [Problem(transport.host, file.path, str(error)) for file, error in failed]
        bad = {problem.path for problem in result.problems}
        for manifest in manifests:
            if bad.isdisjoint(file.path for file in selection.files(manifest)):
                install(manifest, store.lake)
                result.dates.append(manifest.date.isoformat())
            else:
                take_back(manifest, store)
        if result.fetched:
            result.receipt = str(receipt.write(store, manifests[0].host, receipt.verified(store, result.fetched)))
    except RemoteError as error:
        result.problems.append(Problem(transport.host, "", str(error)))
        done = {file.path for file in result.fetched} | {problem.path for problem in result.problems}
        left = [file for file in missing if file.path not in done]
        result.problems += [Problem(transport.host, file.path, "not fetched: the host failed before") for file in left]
        for manifest in manifests:
            take_back(manifest, store)
    finally:
        transport.close()
    return result


def _read_manifests(
    transport: Transport, selection: Selection, store: LocalStore, result: HostResult
) -> list[DayManifest]:
    """The manifests of the selected days; one that cannot be understood is a problem, the others go on.

    A day of which a later build is here is done.
    """
    manifests = []
    for path, content in transport.read_manifests().items():
        try:
            manifest = parse(content, path)
        except HarvesterError as error:
            result.problems.append(Problem(transport.host, path, str(error)))
            continue
        if selection.includes(manifest.date):
            if is_former(manifest, store.lake):
                result.dates.append(manifest.date.isoformat())
            else:
                manifests.append(manifest)
    return sorted(manifests, key=lambda manifest: manifest.date)


def _still_there(transport: Transport, missing: list[FileEntry], result: HostResult) -> list[FileEntry]:
    """Those of `missing` that the host still has in the stated size; the others are problems and are not tried."""
    sizes = transport.list_files() if missing else {}
    for file in missing:
        if file.path not in sizes:
            why = (
                "the host's manifest lists it, but it is not there. If a clean-up took it, a verified copy is where it "
                "was pulled to then; otherwise run `harvester verify` on the host."
            )
            result.problems.append(Problem(transport.host, file.path, why))
        elif sizes[file.path] != file.bytes:
            why = (
                f"it has {sizes[file.path]} bytes there, its manifest says {file.bytes}. Pull again; if it stays so, "
                "the file is damaged on the host: run `harvester verify` there."
            )
            result.problems.append(Problem(transport.host, file.path, why))
    return [file for file in missing if sizes.get(file.path) == file.bytes]


def _is_here(file: FileEntry, store: LocalStore, verified: VerifiedFiles, host: str) -> bool:
    """Whether the file is in the lake as its manifest says; one that differs is set aside."""
    path = store.lake / file.path
    known = verified.sha256(file.path)
    if known == file.sha256:
        return True
    if not path.exists():
        return False
    if receipt.holds(path, file):
        verified.add_all([(file.path, file.sha256)], host)
        return True
    store.set_aside(path, verified=known is not None)
    return False


def _check_room(store: LocalStore, missing: Sequence[FileEntry]) -> None:
    """HarvesterError before anything is fetched when the disk could not hold it."""
    begun = sum(path.stat().st_size for file in missing if (path := store.partial / file.path).exists())
    needed = bytes_wanted(missing) - begun
    free = shutil.disk_usage(store.root).free
    if needed + RESERVE_BYTES > free and needed:
        raise HarvesterError(
            f"{store.root} has {free >> 20} MiB free and this pull needs {needed >> 20} MiB and a reserve of "
            f"{RESERVE_BYTES >> 20} MiB. Free some space, narrow it with --since and --until, or name another disk "
            "with --output; nothing was fetched."
        )
