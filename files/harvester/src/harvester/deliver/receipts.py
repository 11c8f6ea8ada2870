"""What a delivery verified at its place, day by day: it is not asked for again, and a person sees what is verified.

`<folder>/<date>_<host>.json`, a folder for each delivery.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replacing
from harvester.lake.layout import Partition

FORMAT = 1


@dataclass(frozen=True, slots=True)
class VerifiedObject:
    """One file as it was seen at the place, under `key`; `checksum`, `etag` and `version_id` are the place's own."""

    path: str
    bytes: int
    sha256: str
    key: str
    checksum: str
    etag: str
    version_id: str | None
    verified_at: str


@dataclass
class DayReceipt:
    """What was verified of one day of one host. `manifest` is the seal of what is there as a whole.

    The seal of the lake's upload is the self hash of the manifest that is up as well.
    """

    date: str
    host: str
    home: str
    manifest: str | None = None
    files: dict[str, VerifiedObject] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Figures of the day, of a delivery that has some."""

    def covers(self, path: str, sha256: str) -> bool:
        """Whether this content of this file was verified."""
        return path in self.files and self.files[path].sha256 == sha256

    def content(self) -> dict[str, Any]:
        """As it is kept."""
        rows = [asdict(verified) for _, verified in sorted(self.files.items())]
        content = {"format": FORMAT, **asdict(self), "files": rows}
        if not self.counts:
            del content["counts"]
        return content


def made_figure(kind: str) -> str:
    """The figure of a laptop's receipt that says when a backup of this kind was made, in seconds since 1970."""
    return f"{kind}_made"


def now() -> str:
    """The time as receipts state it: ISO, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def receipt_path(folder: Path, partition: Partition) -> Path:
    """Where the receipt of a day lies."""
    return folder / f"{partition.date.isoformat()}_{partition.host}.json"


def load(folder: Path, partition: Partition, home: str) -> DayReceipt:
    """The receipt of a day; an empty one when there is none, when it is of another place, or cannot be read.

    A receipt only saves work: without it everything is put again, and found to be there.
    """
    found = load_any(folder, partition)
    return found if found.home == home else DayReceipt(partition.date.isoformat(), partition.host, home)


def load_any(folder: Path, partition: Partition) -> DayReceipt:
    """The same of any place, for who does not know the place's address."""
    try:
        value = json.loads(receipt_path(folder, partition).read_bytes())
        if value.pop("format") == FORMAT:
            files = {row["path"]: VerifiedObject(**row) for row in value.pop("files")}
            return DayReceipt(**value, files=files)
    except (OSError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        pass
    return DayReceipt(partition.date.isoformat(), partition.host, "")


def save(folder: Path, partition: Partition, receipt: DayReceipt) -> None:
    """Write a day's receipt. Raises HarvesterError when the folder cannot be written."""
    write(receipt_path(folder, partition), receipt.content())


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace a receipt as a whole, durably. Raises HarvesterError when that is refused.

    It goes to the file piece by piece: as one text, that of thousands of objects would be ten times its size in memory.
    """
    try:
        make_directory(path.parent)
        with replacing(path, 0o640) as file:
            file.writelines(piece.encode() for piece in json.JSONEncoder(indent=1).iterencode(content))
            file.write(b"\n")
    except OSError as error:
        raise HarvesterError(
            f"{path}: the receipt cannot be written ({error.strerror}). Make room there, or run the command as the user"
            f" that owns {path.parent}; what was delivered stays, and is found there by the next run."
        ) from error
