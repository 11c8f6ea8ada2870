"""How far the log was sent, on the host's disk."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.hostlog.entries import CURSOR


@dataclass(frozen=True)
class Place:
    """The last entry that CloudWatch acknowledged, None before the first; since when CloudWatch is away, in ns UTC."""

    cursor: str | None = None
    away_since_ns: int | None = None


def read_place(path: Path) -> Place:
    """What `keep_place` wrote. A damaged file costs that a day's entries are sent twice. Raises HarvesterError."""
    try:
        place = Place(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Place()
    except (ValueError, TypeError):
        place = Place("damaged")
    except OSError as error:
        raise _unusable(path, error) from error
    if place.cursor is not None and not CURSOR.match(str(place.cursor)):
        print(f"{path}: not what this program wrote, so the log of a day is sent.")
        return Place()
    return place


def keep_place(path: Path, place: Place) -> None:
    """Remember it, durably. Raises HarvesterError."""
    try:
        replace_file(path, json.dumps(asdict(place)))
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> HarvesterError:
    return HarvesterError(
        f"{path}: cannot be used ({error.strerror}), so how far the log was sent is not known. The unit harvester-logs"
        " makes its folder at each start; correct logs.state_file in harvester_settings."
    )
