"""Where backups are read from: the bucket, or the host itself; their dumps come resumed and checked."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.database import FOLDER, DatabaseSettings, parse_database
from harvester.config.settings import DATA_DIR, UploadSettings
from harvester.database.manifests import Backup, find, is_manifest, keep, parse_backup
from harvester.database.pulled import say_copies
from harvester.lake.manifest import FileEntry, hash_file
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import RemoteError
from runbook.fleet.status import PROGRAM
from runbook.pull.bucket import BucketLake, BucketTransport, open_lake
from runbook.pull.download import MismatchError, download
from runbook.pull.rsync import Layout, SshTransport
from runbook.pull.sources import parse_upload
from runbook.pull.store import LocalStore, writing
from runbook.pull.transport import Progress, Transport

SOURCE = "the backups"
AS_THE_DELIVERY = ("sudo", "-n", "runuser", "-u", "harvester-deliver", "-g", "harvester", "--")
"""Whose receipts they are on a host."""
BACKUPS = Layout(
    "backups",
    "",
    "*.json",
    "Either no backup was made there yet (`./inv due` shows when one is due), or the login user is not in group"
    " harvester and may not use sudo.",
    "`./inv due` shows what was made there.",
)
AGAIN = "what came is not what its manifest says, and is kept in quarantine/. Pull again; if it stays so, "


@dataclass(frozen=True)
class BackupStore(LocalStore):
    """The pulled backups on this machine: below `backups/` a file is only when its hash was checked."""

    @property
    def lake(self) -> Path:
        return self.root / "backups"


class Place(Protocol):
    """Where backups are."""

    address: str

    def backups(self, store: BackupStore) -> list[Backup]:
        """All that can be had, in the order in which they were made. Raises HarvesterError."""
        ...

    def fetch(self, backups: Sequence[Backup], store: BackupStore, progress: Progress) -> int:
        """Bring dumps that are not here yet, and return how many came. Raises HarvesterError naming what did not."""
        ...

    def confirm(self) -> None:
        """Have what was fetched noted there, where that lets copies go. Raises RemoteError."""
        ...


class BackupPlace:
    """A place of backups in a bucket."""

    def __init__(self, bucket: BucketLake) -> None:
        self._bucket = bucket
        self.address = bucket.address

    def backups(self, _: BackupStore) -> list[Backup]:
        """All that are complete there."""
        found = [each for each in self._bucket.files().values() if is_manifest(each.path)]
        return _in_order(parse_backup(self._bucket.read(each), f"{self.address}{each.path}") for each in found)

    def fetch(self, backups: Sequence[Backup], store: BackupStore, progress: Progress) -> int:
        remedy = "the object is damaged: look at its versions, or use --full with another backup."
        came, failed = _bring(BucketTransport(SOURCE, self._bucket, {}), backups, store, progress)
        _refuse(failed, self.address, remedy)
        return came

    def confirm(self) -> None:
        """The host has the bucket's own receipts."""


class SshPlace:
    """The folder of backups of a host without a bucket. All that lies there comes, and the host hears what is here."""

    def __init__(self, host: Host, folder: str) -> None:
        self._transport = SshTransport(host, folder, BACKUPS)
        self.address = f"{host.name}:{folder}/"
        self._there: list[Backup] = []
        self._here: list[Backup] = []

    def backups(self, store: BackupStore) -> list[Backup]:
        """All that are complete there, and those pulled before, which the host may have removed since."""
        read = self._transport.read_manifests()
        self._there = [parse_backup(read[path], f"{self.address}{path}") for path in read if is_manifest(path)]
        paths = {backup.path for backup in self._there}
        here = [each for each in find(store.lake) if each.path not in paths and (store.lake / each.path).exists()]
        return _in_order([*self._there, *here])

    def fetch(self, backups: Sequence[Backup], store: BackupStore, progress: Progress) -> int:
        """What is wanted, and all else that lies there."""
        remedy = (
            "the dump is damaged there: remove it with its manifest, run `./inv run-job --name database-full`, and pull"
            " with --full."
        )
        wanted = {backup.path: backup for backup in [*self._there, *backups]}
        came, failed = _bring(self._transport, [*wanted.values()], store, progress)
        _refuse(failed, self.address, remedy)
        self._here = self._there
        return came

    def confirm(self) -> None:
        """Those that lie there were all hashed here. The host lets its copies go by that."""
        if not self._here:
            return
        command = [*AS_THE_DELIVERY, PROGRAM, "database", "pulled"]
        done = self._transport.connection.run(command, given=say_copies(self._here))
        if done.returncode:
            said = " ".join(done.stderr.decode(errors="replace").split())[:300] or "no message"
            raise RemoteError(
                f"{self._transport.host}: the backups are here, and the host could not note it ({said}), so it keeps"
                " its copies. If its release is older, run ./inv deploy; then pull again."
            )


def choose_place(hosts: Iterable[Host], stated: str | None) -> Place:
    """The place of --place, else that of the inventory: a bucket, or the host itself where it names none.

    Raises ConfigError when there is none, or more than one.
    """
    if stated:
        name, _, prefix = stated.removeprefix("s3://").partition("/")
        return BackupPlace(open_lake(parse_upload({"bucket": name, "prefix": prefix}, "--place")))
    host, settings = _chosen(hosts)
    if settings.place:
        endpoint = settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        return BackupPlace(open_lake(UploadSettings(settings.bucket, settings.prefix, settings.region, endpoint)))
    if host.variables.get("ansible_connection") == "local":
        raise ConfigError(
            f"{host.name} is this very machine, and its database_backup names no place: a copy here would be no second"
            " one. Set place to a bucket, or pull from another machine."
        )
    stated_dir = host.variables["database_backup"].get("data_dir") or host.settings.get("data_dir") or DATA_DIR
    return SshPlace(host, f"{stated_dir}/{FOLDER}")


def settings_of(hosts: Iterable[Host]) -> DatabaseSettings:
    """The backups that the inventory names. Raises ConfigError where no host has any, or several have."""
    return _chosen(hosts)[1]


def _chosen(hosts: Iterable[Host]) -> tuple[Host, DatabaseSettings]:
    found: list[tuple[Host, Any]] = [
        (each, given) for each in hosts if (given := each.variables.get("database_backup"))
    ]
    if len(found) != 1:
        raise ConfigError(
            f"The inventory has database_backup for {len(found)} of the chosen hosts, and one is needed. Set it there,"
            " choose the host with --limit, or name the place with --place and --database."
        )
    host, given = found[0]
    return host, parse_database(given, "database_backup in the inventory")


Failed = list[tuple[FileEntry, RemoteError]]


def _bring(
    transport: Transport, backups: Sequence[Backup], store: BackupStore, progress: Progress
) -> tuple[int, Failed]:
    """Fetch the dumps that are not here yet, and write the manifests of all that are; how many came, what did not."""
    missing = [entry for entry in map(_entry, backups) if not _is_here(entry, store)]
    progress.begin(SOURCE, len(missing), sum(entry.bytes for entry in missing))
    failed = download(transport, missing, store, progress, lambda _: None) if missing else []
    lacking = {entry.path for entry, _ in failed}
    for backup in backups:
        if backup.path not in lacking:
            with writing(store.lake / backup.path):
                keep(store.lake, backup)
    return len(missing) - len(failed), failed


def _refuse(failed: Failed, address: str, remedy: str) -> None:
    """Raise HarvesterError where something did not come."""
    if failed:
        raise HarvesterError(
            "\n".join(
                f"{address}{entry.path}: {AGAIN}{remedy}" if isinstance(cause, MismatchError) else str(cause)
                for entry, cause in failed
            )
        )


def _in_order(backups: Iterable[Backup]) -> list[Backup]:
    return sorted(backups, key=lambda backup: backup.made_at)


def _entry(backup: Backup) -> FileEntry:
    return FileEntry(backup.path, backup.bytes, backup.sha256, 0)


def _is_here(entry: FileEntry, store: BackupStore) -> bool:
    """Whether the verified file is here; one of that name with other bytes is set aside."""
    path = store.lake / entry.path
    if not path.exists():
        return False
    if hash_file(path) == (entry.bytes, entry.sha256):
        return True
    store.set_aside(path)
    return False
