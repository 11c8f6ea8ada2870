"""The place of the backups, read from here: which are complete there, and their dumps, resumed and checked."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.database import DatabaseSettings, parse_database
from harvester.config.settings import UploadSettings
from harvester.database.manifests import Backup, is_manifest, keep, parse_backup
from harvester.lake.manifest import FileEntry, hash_file
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import RemoteError
from runbook.pull.bucket import BucketLake, BucketTransport, open_lake
from runbook.pull.download import MismatchError, download
from runbook.pull.sources import parse_upload
from runbook.pull.store import LocalStore, writing
from runbook.pull.transport import Progress

SOURCE = "the backups"


@dataclass(frozen=True)
class BackupStore(LocalStore):
    """The pulled backups on this machine: below `backups/` a file is only when its hash was checked."""

    @property
    def lake(self) -> Path:
        return self.root / "backups"


class BackupPlace:
    """A place of backups in a bucket."""

    def __init__(self, bucket: BucketLake) -> None:
        self._bucket = bucket
        self.address = bucket.address

    def backups(self) -> list[Backup]:
        """All that are complete there, in the order in which they were made. Raises HarvesterError."""
        found = [each for each in self._bucket.files().values() if is_manifest(each.path)]
        read = [parse_backup(self._bucket.read(each), f"{self.address}{each.path}") for each in found]
        return sorted(read, key=lambda backup: backup.made_at)

    def fetch(self, backups: Sequence[Backup], store: BackupStore, progress: Progress) -> int:
        """Bring dumps that are not here yet, and return how many came. Raises HarvesterError naming what did not."""
        missing = [entry for entry in map(_entry, backups) if not _is_here(entry, store)]
        progress.begin(SOURCE, len(missing), sum(entry.bytes for entry in missing))
        transport = BucketTransport(SOURCE, self._bucket, {})
        failed = download(transport, missing, store, progress, lambda _: None) if missing else []
        for backup in backups:
            if all(backup.path != entry.path for entry, _ in failed):
                with writing(store.lake / backup.path):
                    keep(store.lake, backup)
        if failed:
            raise HarvesterError("\n".join(self._explain(entry, cause) for entry, cause in failed))
        return len(missing)

    def _explain(self, entry: FileEntry, cause: RemoteError) -> str:
        if not isinstance(cause, MismatchError):
            return str(cause)
        return (
            f"{self.address}{entry.path}: what came is not what its manifest says, and is kept in quarantine/. Pull"
            " again; if it stays so, the object is damaged: look at its versions, or use --full with another backup."
        )


def choose_place(hosts: Iterable[Host], stated: str | None) -> BackupPlace:
    """The place of --place, else that of the inventory. Raises ConfigError when there is none, or more than one."""
    if stated:
        name, _, prefix = stated.removeprefix("s3://").partition("/")
        return BackupPlace(open_lake(parse_upload({"bucket": name, "prefix": prefix}, "--place")))
    settings = settings_of(hosts)
    endpoint = settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    upload = UploadSettings(settings.bucket, settings.prefix, settings.region, endpoint)
    return BackupPlace(open_lake(upload))


def settings_of(hosts: Iterable[Host]) -> DatabaseSettings:
    """The backups that the inventory names. Raises ConfigError where no host has any, or several have."""
    found: list[Any] = [given for host in hosts if (given := host.variables.get("database_backup"))]
    if len(found) != 1:
        raise ConfigError(
            f"The inventory has database_backup for {len(found)} of the chosen hosts, and one is needed. Set it there,"
            " choose the host with --limit, or name the place with --place and --database."
        )
    return parse_database(found[0], "database_backup in the inventory")


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
