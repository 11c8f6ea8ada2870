"""What was seen of a host at a moment, without any judgement. Times are wall ns; None: it could not be looked at.

The watch, which runs as root, writes all of it to a file every minute. Whoever asks looks again, and takes from the
file what only root can see.
"""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harvester.base.files import replace_file

Kind = TypeVar("Kind")


class Unit(msgspec.Struct):
    """A unit as systemd shows it; of one without a file on disk `present` is false."""

    present: bool
    load: str = ""
    active: str = ""
    sub: str = ""
    result: str = ""
    enabled: str = ""
    outdated: bool = False
    """Whether its file changed on disk, and systemd has not read it."""
    began_ns: int | None = None
    """When it last left the state inactive."""
    changed_ns: int | None = None
    next_ns: int | None = None
    """Of a timer: when it elapses next, and when it did last."""
    last_ns: int | None = None
    says: str = ""


class TimeSync(msgspec.Struct):
    """Whether something keeps the clock right, and what it says. `heard_ns`: when its source was last heard."""

    synchronised: bool
    says: str
    heard_ns: int | None = None


class Disk(msgspec.Struct):
    path: str
    free_bytes: int
    files: int
    free_files: int


class Day(msgspec.Struct):
    """A closed day of this host: whether its manifest in force is in the bucket; what is wrong with its certificate.

    `left_out`: files of it were cleaned up before there was a bucket.
    """

    date: str
    closed_ns: int
    uploaded: bool
    left_out: bool = False
    problem: str = ""


class Refusal(msgspec.Struct):
    """A channel that does not take messages: its kind, such as tgram, and its own words."""

    channel: str
    problem: str


class Reach(msgspec.Struct):
    """Whether people can be told, as the alerts found last; they write it for whoever asks.

    `at_ns`: when they looked; `asked_ns`: when they read where their channels are; `taken_ns`: since when each of them
    has taken a message, 0 where one never has.
    """

    at_ns: int
    channels: int = 0
    problem: str = ""
    refusals: list[Refusal] = []
    asked_ns: int = 0
    taken_ns: int = 0


class Overdue(msgspec.Struct):
    """Something that was due and did not come, or of which nobody can say whether it did; `dues` judges it."""

    kind: str
    name: str
    due_ns: int
    cause: str
    remedy: str


class Facts(msgspec.Struct, kw_only=True):
    """`unseen`: why a fact is None."""

    at_ns: int
    booted_ns: int
    units: dict[str, Unit] | None = None
    time_sync: TimeSync | None = None
    firewall: str | None = None
    """What is wrong with it; empty: it is loaded, or none of ours is installed."""
    disks: list[Disk] | None = None
    release: str | None = None
    """What is wrong with the current deployment; empty: nothing."""
    configuration: str | None = None
    days: list[Day] | None = None
    recorded: list[str] | None = None
    """Dates of which there is a journal."""
    handed_over: bool | None = None
    reach: Reach | None = None
    keys: dict[str, int] | None = None
    """When the login key of each user was made."""
    overdue: list[Overdue] | None = None
    """Of what people hear from the ledger of dues alone; the watch sees it."""
    undelivered: list[str] | None = None
    """Deliveries of today and yesterday that are not made, be it that they are not due yet; the watch sees it."""
    unseen: dict[str, str] = {}


def reach_file(ports: Path) -> Path:
    """Where the alerts say whether people can be told, beside the ports of their channels."""
    return ports.with_name("reach.json")


def write_reach(path: Path, reach: Reach) -> None:
    """Replace the alerts' file. Raises OSError."""
    replace_file(path, msgspec.json.encode(reach), 0o644, synced=False)


def read_reach(path: Path) -> Reach | None:
    """What the alerts found last; None where there is nothing, or nothing that can be read."""
    return _read(path, Reach)


def write_facts(path: Path, facts: Facts) -> None:
    """Replace the file of the watch. Raises OSError."""
    replace_file(path, msgspec.json.encode(facts), 0o644, synced=False)


def read_facts(path: Path) -> Facts | None:
    """What the watch saw last; None where there is nothing, or nothing that can be read."""
    return _read(path, Facts)


def _read(path: Path, kind: type[Kind]) -> Kind | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def complete(live: Facts, kept: Facts | None) -> Facts:
    """What is seen now, and of what this user cannot see what the watch saw."""
    if kept is None:
        return live
    lacking = {name for name in live.__struct_fields__ if getattr(live, name) is None}
    merged: dict[str, Any] = {name: getattr(kept, name) for name in lacking}
    unseen = {name: kept.unseen.get(name, why) for name, why in live.unseen.items() if merged.get(name) is None}
    return msgspec.structs.replace(live, **merged, unseen=unseen)
