"""Lakes made otherwise than by a close: manifests that vouch for changed files, days of another host."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.storage.lake.conftest import Place

from harvester.lake.manifest import self_hash


def relist(place: Place, path: Path, **changes: object) -> None:
    """Have the manifest vouch for a file as it is now, so that only what comes after the hashes can tell."""

    def change(value: dict[str, Any]) -> None:
        (entry,) = [e for e in value["files"] if e["path"] == path.relative_to(place.lake).as_posix()]
        data = path.read_bytes()
        entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), **changes)

    forge(place, change)


def forge(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest and make its own hash right again."""
    target = place.lake / place.partition.path("manifest") / "manifest.json"
    value = json.loads(target.read_bytes())
    value.pop("self_sha256")
    change(value)
    target.write_text(json.dumps({**value, "self_sha256": self_hash(value)}))


def bring(other: Place, here: Place) -> None:
    """The days of another host beside those that are here, as a pull from two hosts leaves them."""
    shutil.copytree(other.lake, here.lake, dirs_exist_ok=True)
