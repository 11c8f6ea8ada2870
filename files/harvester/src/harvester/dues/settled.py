"""The ledger of a day that is over: `<data_dir>/dues/2026-12-01.json`, written when nothing waits any more.

What was missing then and came after all is put right there for some days.

Schedules change, records go after two months; what was due on a day and what became of it stays.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.dues.due import Entry

DUES = "dues"
FORMAT = 1


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of a day's dues."""

    format: int
    date: str
    host: str
    settled_ns: int
    entries: list[Entry]


def path_of(data_dir: Path, day: date) -> Path:
    return data_dir / DUES / f"{day}.json"


def read_settled(data_dir: Path, day: date) -> Settled | None:
    """A settled day; None for one that is not. Raises HarvesterError for a file that cannot be read."""
    path = path_of(data_dir, day)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settled)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise HarvesterError(
            f"{path}: the ledger of that day cannot be read ({why}). Correct its owner and mode, or move a damaged one"
            " away: the next evening writes it anew from the records."
        ) from error


def settle(data_dir: Path, day: date, host: str, entries: Sequence[Entry], now_ns: int) -> Path:
    """Write the ledger of a day, or the same day's anew. Raises HarvesterError."""
    path = path_of(data_dir, day)
    content = Settled(format=FORMAT, date=str(day), host=host, settled_ns=now_ns, entries=list(entries))
    try:
        replace_file(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n", 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the ledger of the day cannot be written ({error.strerror}). Free disk space, or correct"
            " the owner of that folder; the next run writes it."
        ) from error
    return path
