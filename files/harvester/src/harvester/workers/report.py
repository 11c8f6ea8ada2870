"""The daily report of a host that oversees: `infrastructure_status.json`, as the users' document has it."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.workers.memory import load
from harvester.workers.settings import OverseerSettings

GB = 1_000_000_000
UPTIME = Path("/proc/uptime")


def write_report(path: Path, champion: Path | None, settings: OverseerSettings, now_ns: int) -> None:
    """Replace the file: uptime in seconds, the champion's size and time, free disk in GB, and the workers' states.

    Raises HarvesterError.
    """
    try:
        content = {
            "timestamp": _iso(now_ns // NS_PER_SECOND),
            "uptime": int(float(UPTIME.read_text().split()[0])),
            "champion": _describe(champion),
            "disk_free_gb": round(shutil.disk_usage(path.parent).free / GB, 1),
            "workers": {
                worker.name: load(settings.data_dir / worker.name / "memory.json").state for worker in settings.workers
            },
        }
        replace_file(path, json.dumps(content, indent=2) + "\n", 0o644)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the report cannot be written ({error.strerror}). Free disk space, or correct its folder."
        ) from error


def _describe(champion: Path | None) -> dict[str, Any] | None:
    """None: it is not there, or none is named."""
    if champion is None or not champion.exists():
        return None
    found = champion.stat()
    return {"name": champion.name, "bytes": found.st_size, "modified": _iso(int(found.st_mtime))}


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
