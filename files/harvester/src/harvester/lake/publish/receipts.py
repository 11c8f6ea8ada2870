"""Receipts of verified copies in other places, and which of them the settings demand before clean-up."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harvester.base.errors import ConfigError, HarvesterError

if TYPE_CHECKING:
    from harvester.config.settings import UploadSettings

RECEIPT_FORMAT = 1
PULL, S3 = "pull", "s3"
FRESH = timedelta(minutes=10)
"""Age up to which a receipt of the bucket counts: clean-up has no network and cannot look itself."""


class Receipt(NamedTuple):
    """SHA-256 of each file that was verified in another place, by path in the lake; `sha256` is of the receipt."""

    sha256: str
    files: dict[str, str]
    kind: str = PULL
    home: str = ""
    verified_at: str = ""


def load_receipt(path: Path) -> Receipt:
    """Read a receipt; one that names a home in S3 is the uploader's. Raises ConfigError for a file that is none."""
    try:
        data = path.read_bytes()
        value: dict[str, Any] = json.loads(data)
        if value["format"] != RECEIPT_FORMAT:
            raise ValueError(f"format {value['format']!r} is not {RECEIPT_FORMAT}")
        files = {str(entry["path"]): str(entry["sha256"]) for entry in value["files"]}
        home = str(value.get("home", ""))
        verified_at = str(value["verified_at"]) if home else ""
    except OSError as error:
        raise ConfigError(
            f"{path}: the receipt cannot be read ({error.strerror}). Nothing is deleted without one;"
            " ./inv cleanup brings it."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: not a receipt of a pull ({error}). Nothing is deleted without one: ./inv cleanup makes it after"
            " hashing every file where it was pulled to."
        ) from error
    return Receipt(hashlib.sha256(data).hexdigest(), files, S3 if home else PULL, home, verified_at)


def demanded(upload: "UploadSettings") -> frozenset[str]:
    """The kinds of receipt that must all name a file before it may go."""
    if upload.bucket is None:
        return frozenset({PULL})
    return frozenset({S3, PULL} if upload.proof == "both" else {upload.proof})


def accept(receipts: Sequence[Receipt], upload: "UploadSettings", now: datetime | None = None) -> Receipt:
    """One receipt with the files of which every demanded kind has the same hash.

    Raises ConfigError when a kind is missing, HarvesterError when a look at the bucket is old or of another bucket.
    """
    kinds = demanded(upload)
    missing = kinds - {receipt.kind for receipt in receipts}
    if missing:
        what = " and ".join(
            {PULL: "of a pull", S3: "of the bucket (harvester upload --attest)"}[kind] for kind in missing
        )
        raise ConfigError(
            f"upload.proof demands a receipt {what}, and none was given. ./inv cleanup brings what is needed."
        )
    for receipt in receipts:
        if receipt.kind == S3:
            _check_look(receipt, f"s3://{upload.bucket}/{upload.prefix}", now or datetime.now(UTC))
    counted = [receipt for receipt in receipts if receipt.kind in kinds]
    verified = [
        dict(pair for receipt in counted if receipt.kind == kind for pair in receipt.files.items()) for kind in kinds
    ]
    files = {
        path: digest for path, digest in verified[0].items() if all(other.get(path) == digest for other in verified[1:])
    }
    return Receipt("+".join(receipt.sha256 for receipt in counted), files)


def _check_look(receipt: Receipt, home: str, now: datetime) -> None:
    if receipt.home != home:
        raise HarvesterError(
            f"The receipt of the bucket is of {receipt.home}, and {home} is configured. Run harvester upload --attest."
        )
    try:
        age = now - datetime.fromisoformat(receipt.verified_at)
    except (TypeError, ValueError):
        raise ConfigError(f"The receipt of the bucket has no time ({receipt.verified_at!r:.40}).") from None
    if not -FRESH < age < FRESH:
        raise HarvesterError(
            f"The look at the bucket is of {receipt.verified_at}, and counts for {FRESH.seconds // 60} minutes. Run"
            " harvester upload --attest again, then the clean-up; nothing was deleted."
        )
