"""cleanup: remove from a host's disk the files whose verified copies are here. The host checks the receipt itself.

A file may be removed only when the copy here, hashed anew for this plan, has the size and the SHA-256 that the host's
current manifest states, the host still has a file of that size, and its day is not among the newest ones kept there.
Manifests, certificates and gap ledgers stay on the host for good.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import sync_directory
from harvester.lake.cleanup import KEEP_DAYS, is_removable
from harvester.lake.layout import RAW
from harvester.lake.manifest import FileEntry
from harvester.lake.publish.receipts import demanded
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target, run
from runbook.pull import receipt
from runbook.pull.manifests import DayManifest, kind_of, parse
from runbook.pull.sources import parse_upload
from runbook.pull.store import LocalStore, writing
from runbook.pull.transport import CHUNK_BYTES, Transport


class PlannedRemoval(NamedTuple):
    """A file on the host, and why it stays there; "" when it may be removed."""

    file: FileEntry
    date: date
    why: str = ""


@dataclass(frozen=True)
class Plan:
    """Which files of one host would be removed, and which would stay."""

    host: str
    findings: tuple[PlannedRemoval, ...]

    @property
    def removals(self) -> list[PlannedRemoval]:
        return [finding for finding in self.findings if not finding.why]

    @property
    def kept(self) -> list[PlannedRemoval]:
        return [finding for finding in self.findings if finding.why]

    @property
    def bytes(self) -> int:
        return sum(removal.file.bytes for removal in self.removals)


def decide(
    host: str,
    manifests: Iterable[DayManifest],
    remote_sizes: Mapping[str, int],
    verified: Iterable[FileEntry],
    *,
    keep_days: int = KEEP_DAYS,
) -> Plan:
    """The plan for a host, from its manifests, its directory listing and which copies were verified here just now.

    Pure. Days are trading days with a manifest; the newest `keep_days` of them keep everything.
    """
    manifests = sorted(manifests, key=lambda manifest: (manifest.date, manifest.path))
    days = sorted({manifest.date for manifest in manifests})
    newest = set(days[-keep_days:]) if keep_days > 0 else set()
    copies = {(file.path, file.bytes, file.sha256) for file in verified}
    findings = [
        PlannedRemoval(file, manifest.date, _why_kept(file, manifest.date in newest, remote_sizes[file.path], copies))
        for manifest in manifests
        for file in manifest.files
        if file.path in remote_sizes
    ]
    return Plan(host, tuple(findings))


def check_keep_days(keep_days: int) -> None:
    """Raise ConfigError when fewer days are to be kept than hosts insist on."""
    if keep_days < KEEP_DAYS:
        raise ConfigError(
            f"--keep-days {keep_days} is less than {KEEP_DAYS}, and a host gives up nothing of its newest {KEEP_DAYS} "
            f"days. Give {KEEP_DAYS} or more."
        )


def make_plan(connect: Callable[[], Transport], store: LocalStore, *, keep_days: int = KEEP_DAYS) -> Plan:
    """The plan for the host that `connect` reaches; each copy here that a removal would need is hashed.

    Raises RemoteError when the host fails.
    """
    transport = connect()
    try:
        with store.locked():
            manifests = [parse(content, path) for path, content in transport.read_manifests().items()]
            candidates = [file for manifest in manifests for file in manifest.files if is_removable(file)]
            verified = receipt.verified(store, candidates)
            return decide(transport.host, manifests, transport.list_files(), verified, keep_days=keep_days)
    finally:
        transport.close()


def demands_of(host: Host) -> frozenset[str]:
    """Which copies a host's settings demand: PULL, S3 or both. Raises ConfigError."""
    return demanded(parse_upload(host.settings.get("upload") or {}, "harvester_settings.upload"))


def by_bucket(host: str, target: Target, *, check: bool) -> None:
    """Let a host remove what its bucket has by its own finding; with `check` it only says what it would remove."""
    run("cleanup", target.of([host]), {"harvester_cleanup_s3": True}, check=check)


def apply(plan: Plan, store: LocalStore, target: Target, *, check_bucket: bool = False) -> Path | None:
    """Write the receipt of the plan's files and let the host remove them; None when there is nothing to remove.

    The copies are hashed once more, for a plan may have waited long for its answer. With `check_bucket` the host
    removes only what its bucket holds as well.
    """
    files = [removal.file for removal in plan.removals]
    if not files:
        return None
    verified = receipt.verified(store, files)
    lost = set(files) - set(verified)
    if lost:
        raise HarvesterError(
            f"{len(lost)} of the copies in {store.lake} changed since the plan was made, such as "
            f"{min(file.path for file in lost)}. Nothing was removed from {plan.host}; run `./inv verify-data`."
        )
    written = receipt.write(store, plan.host, verified)
    wanted: dict[str, Any] = {"harvester_cleanup_receipt": str(written.resolve())}
    wanted |= {"harvester_cleanup_s3": True} if check_bucket else {}
    run("cleanup", target.of([plan.host]), wanted)
    return written


def archive(plan: Plan, store: LocalStore, directory: Path) -> int:
    """Copy the plan's files to `directory`, each copy verified by its hash; the number of new copies is returned.

    A file that is there already and has the right hash is left alone; one with a wrong hash is an error.
    """
    copied = 0
    for removal in plan.removals:
        target = directory / removal.file.path
        if target.exists():
            if not receipt.holds(target, removal.file):
                raise HarvesterError(
                    f"{target} is in the archive already and differs from {store.lake / removal.file.path}. Move it "
                    "away or name another directory; nothing was removed from the host."
                )
            continue
        _copy(store.lake / removal.file.path, target, removal.file)
        copied += 1
    return copied


def summary(plan: Plan) -> list[dict[str, Any]]:
    """The plan as rows by day: what is removed, what stays and why, in files and bytes."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for finding in plan.findings:
        what = f"keep: {finding.why}" if finding.why else "remove: verified copy here"
        day = finding.date.isoformat()
        row = rows.setdefault((day, what), {"date": day, "what": what, "files": 0, "bytes": 0})
        row["files"] += 1
        row["bytes"] += finding.file.bytes
    return [rows[key] for key in sorted(rows)]


def _why_kept(file: FileEntry, is_newest: bool, remote_bytes: int, copies: set[tuple[str, int, str]]) -> str:
    if not is_removable(file):
        return "manifest, certificate, gap ledger, instruments or sessions"
    if is_newest:
        return "one of the newest days"
    if remote_bytes != file.bytes:
        return "differs from its manifest on the host"
    if (file.path, file.bytes, file.sha256) not in copies:
        return "raw data not pulled (--raw)" if kind_of(file) == RAW else "no verified copy here"
    return ""


def _copy(source: Path, target: Path, file: FileEntry) -> None:
    """Copy through a temporary name; the copy is read back and compared before it gets its own."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with writing(target), source.open("rb") as reading, temporary.open("wb") as copy:
        while chunk := reading.read(CHUNK_BYTES):
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if not receipt.holds(temporary, file):
        temporary.unlink()
        raise HarvesterError(
            f"The copy at {target} does not have the hash of its source. The disk of the archive may be failing; "
            "nothing was removed from the host."
        )
    temporary.rename(target)
    sync_directory(target.parent)
