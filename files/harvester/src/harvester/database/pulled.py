"""What a laptop has of the backups of a host without a bucket: told by hash, and noted as receipts."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.database import DatabaseSettings
from harvester.database.delivery import receipt_of
from harvester.database.manifests import Backup, find, manifest_path
from harvester.deliver.receipts import DayReceipt, VerifiedObject, made_figure, now, save
from harvester.lake.layout import Partition


class Copy(msgspec.Struct, frozen=True):
    """A dump whose bytes the laptop hashed itself."""

    path: str
    bytes: int
    sha256: str


def say_copies(backups: Sequence[Backup]) -> bytes:
    """The laptop's words for `note_copies`."""
    return msgspec.json.encode([Copy(backup.path, backup.bytes, backup.sha256) for backup in backups])


def note_copies(settings: DatabaseSettings, said: bytes) -> int:
    """Note those that are what the manifests here say, and return how many. Raises ConfigError, HarvesterError.

    What is not here any more, or has other bytes here, is passed over: nothing is removed by it.
    """
    if settings.place:
        raise ConfigError(f"The backups of this host go to {settings.place}, whose receipts count: nothing was noted.")
    try:
        copies = set(msgspec.json.decode(said, type=list[Copy]))
    except msgspec.MsgspecError as error:
        raise HarvesterError(f"This is no list of copies ({error}). Nothing was noted.") from error
    noted = 0
    for backup in find(settings.folder):
        if Copy(backup.path, backup.bytes, backup.sha256) in copies:
            _note(settings, backup)
            noted += 1
    return noted


def _note(settings: DatabaseSettings, backup: Backup) -> None:
    """Add a backup, its manifest and when it was made to the receipt of its day: the copy here goes after that."""
    day, manifest = Partition(backup.day, settings.host_id), manifest_path(*backup.name)
    receipt: DayReceipt = receipt_of(settings, backup.day)
    receipt.counts[made_figure(backup.kind)] = int(datetime.fromisoformat(backup.made_at).timestamp())
    content = (settings.folder / manifest).read_bytes()
    for path, size, sha256 in (
        (backup.path, backup.bytes, backup.sha256),
        (manifest, len(content), hashlib.sha256(content).hexdigest()),
    ):
        if not receipt.covers(path, sha256):
            receipt.files[path] = VerifiedObject(path, size, sha256, path, sha256, "", None, now())
    save(settings.receipts, day, receipt)
