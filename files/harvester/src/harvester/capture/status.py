"""The status file: the recorder's state as JSON, replaced whole about once a second; `harvester health` reads it."""

import json
from pathlib import Path
from typing import Any

from harvester.base.errors import UnhealthyError
from harvester.base.files import replace_file
from harvester.journal.format import FEED_NAMES, FYERS_REST

POLLS = FEED_NAMES[FYERS_REST]


class NoStatusError(UnhealthyError):
    """Nothing publishes a state."""


def write_status(path: Path, content: bytes) -> None:
    """Replace the file in one step; it lives in memory-backed /run, so it is not synced. Raises OSError."""
    replace_file(path, content, synced=False)


def read_status(path: Path) -> dict[str, Any]:
    """The last state published. Raises NoStatusError where there is none, UnhealthyError where it cannot be read."""
    try:
        status = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NoStatusError(
            f"{path}: the recorder has not published its state, so it is not running. Start it with ./inv start, and"
            " see why it stopped with ./inv logs."
        ) from None
    except (OSError, ValueError) as error:
        raise UnhealthyError(f"{path}: the recorder's state cannot be read: {error}.") from error
    if not isinstance(status, dict):
        raise UnhealthyError(f"{path}: not a recorder's state.")
    return status
