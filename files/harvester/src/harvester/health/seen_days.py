"""What can be seen of the closed days of a host: manifest, certificate, and the receipt of the upload."""

import json
from pathlib import Path

import msgspec

from harvester.base.errors import HarvesterError
from harvester.health.facts import Day
from harvester.lake.layout import CERTIFICATE, Partition, find_partitions
from harvester.lake.manifest import Manifest, hash_file, load_manifest, read_removals

UPLOADS = "uploads"


class _Seal(msgspec.Struct):
    """Of a manifest, its own hash: by that a receipt names it."""

    self_sha256: str


class _Receipt(msgspec.Struct):
    """Of the receipt of an upload, the manifest that is up, and the files; `deliver.receipts` writes it."""

    manifest: str | None = None
    files: list[dict[str, object]] = []


def look_at_days(data_dir: Path, host: str, *, uploads: bool) -> list[Day]:
    """The closed days of a host in their order; the certificate of the last one is read. Raises OSError."""
    lake = data_dir / "lake"
    (lake / ".").stat()
    partitions = [partition for partition in find_partitions(lake) if partition.host == host]
    days = [look_at_day(data_dir, partition, uploads=uploads) for partition in partitions]
    if partitions:
        days[-1].problem = _judge_certificate(lake, partitions[-1])
    return days


def recorded_days(data_dir: Path) -> list[str]:
    """Dates that have a folder of journal. Raises OSError."""
    journal = data_dir / "journal"
    (journal / ".").stat()
    return sorted(path.name for path in journal.glob("????-??-??"))


def look_at_day(data_dir: Path, partition: Partition, *, uploads: bool) -> Day:
    """A closed day, without a judgement of its certificate. Raises OSError."""
    path = data_dir / "lake" / partition.manifest
    day = Day(partition.date.isoformat(), path.stat().st_mtime_ns, uploaded=False)
    if not uploads:
        return day
    receipt = _read_receipt(data_dir / UPLOADS / f"{day.date}_{partition.host}.json")
    try:
        day.uploaded = receipt.manifest == msgspec.json.decode(path.read_bytes(), type=_Seal).self_sha256
    except msgspec.MsgspecError:
        return day  # a manifest that is no manifest is told of as that
    day.left_out = not day.uploaded and _is_left_out(data_dir / "lake", partition, receipt)
    return day


def _read_receipt(path: Path) -> _Receipt:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Receipt)
    except (FileNotFoundError, msgspec.MsgspecError):
        return _Receipt()  # without one everything is put again


def _is_left_out(lake: Path, partition: Partition, receipt: _Receipt) -> bool:
    """Whether files of the day were cleaned up before they were uploaded, as the uploader has it."""
    up = {row.get("path") for row in receipt.files}
    try:
        manifest = load_manifest(lake, partition)
        removed = {entry.path for entry in read_removals(lake, partition)}
    except HarvesterError:
        return False
    paths = {entry.path for entry in manifest.files} if manifest else set()
    return any(not (lake / path).exists() for path in (paths - up) & removed)


def _judge_certificate(lake: Path, partition: Partition) -> str:
    """What is wrong with the certificate of a day; empty: it is the one that the manifest names."""
    try:
        manifest = load_manifest(lake, partition)
    except HarvesterError as error:
        return str(error)
    return _compare(lake, manifest) if manifest else "its manifest is gone"


def _compare(lake: Path, manifest: Manifest) -> str:
    entries = manifest.find(CERTIFICATE)
    if not entries:
        return "its manifest names no certificate"
    path = lake / entries[0].path
    try:
        if hash_file(path) != (entries[0].bytes, entries[0].sha256):
            return f"{path} is not what its manifest says"
        json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        return f"{path} cannot be read ({error})"
    return ""
