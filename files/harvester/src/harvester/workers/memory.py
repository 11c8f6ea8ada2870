"""What the overseer remembers of a worker from look to look, over restarts and days, and what it is about to do."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.base.market import midnight_ns, to_local

Grade = Literal["clear", "info", "warning", "critical"]
State = Literal["alive", "slow", "stuck", "silent", "unknown", "finished"]


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do. Doing it twice is doing it once, but for `command`, which is begun once at most."""

    kind: Literal["tell", "signal", "command", "clear"]
    at_ns: int
    cause: str = ""
    """Of `tell`, what it is about; of `signal`, the reason that the worker reads."""
    severity: Grade = "warning"
    text: str = ""
    remedy: str = ""
    repaired: bool = False
    """Of `signal`: the notebook was repaired before."""


HOUR_NS = 3600 * NS_PER_SECOND
KEPT_HOURS = 9 * 24
"""Of which the ledger of dues can be asked."""
RANK = ("unknown", "silent", "stuck", "slow", "alive", "paused", "finished")


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Of one worker. Times are wall ns of the overseer's clock; None: not yet."""

    state: State = "unknown"
    cause: str = "it was not looked at yet"
    first_ns: int | None = None
    seen_ns: int | None = None
    """The last look that saw the mailbox."""
    visible_ns: int | None = None
    """Since when the mailbox is seen without a long break. A miss needs a while of it."""
    content: str = ""
    """Hash of the status as it was last seen."""
    good_ns: int | None = None
    """When a status was last legible."""
    beat_ns: int | None = None
    """The last sign of life."""
    step: float | None = None
    rose_ns: int | None = None
    """When the step last changed."""
    falls: tuple[int, ...] = ()
    """When the step fell in the last hour: the worker began anew by itself."""
    misses: int = 0
    missed_ns: int | None = None
    restarts: tuple[int, ...] = ()
    """When it was restarted in the last 24 hours."""
    told: tuple[str, ...] = ()
    """What people were told of, and is not over."""
    heartbeat_ns: int | None = None
    """When the overseer last showed the worker that it lives."""
    hours: dict[str, str] = {}
    """By the begin of each hour of the market's day, in ns: the best that was seen of it, `state: cause`."""
    paused: bool = False
    handled: tuple[str, ...] = ()
    """Reports that were acted on, the newest last."""
    pending: tuple[Act, ...] = ()
    """Decided, and perhaps not done: written before the first is begun, emptied after the last."""


def hour_of(at_ns: int) -> int:
    """When the hour of the market's day began that holds a moment: in India half past in UTC."""
    begin_ns = midnight_ns(to_local(at_ns).date())
    return begin_ns + (at_ns - begin_ns) // HOUR_NS * HOUR_NS


def note_hour(memory: Memory, now_ns: int) -> Memory:
    """Keep the best state of this hour, and forget the oldest hours."""
    hour, state = str(hour_of(now_ns)), "paused" if memory.paused else memory.state
    before = memory.hours.get(hour, "unknown").partition(": ")[0]
    if hour in memory.hours and RANK.index(state) < RANK.index(before):
        return memory
    kept = sorted((memory.hours | {hour: f"{state}: {memory.cause}"}).items())[-KEPT_HOURS:]
    return replace(memory, hours=dict(kept))


def load(path: Path) -> Memory:
    """What is remembered; a new memory where there is none. Raises HarvesterError for a file that is damaged.

    A damaged one is not replaced: the budget of restarts is in it.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except FileNotFoundError:
        return Memory()
    except (OSError, msgspec.DecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise HarvesterError(
            f"{path}: what is known of the worker cannot be read ({why}), so it is not looked at. Remove that file, and"
            " it is judged anew, with a new budget of restarts."
        ) from error


def save(path: Path, memory: Memory) -> None:
    """Keep it, durably. Raises HarvesterError."""
    try:
        replace_file(path, msgspec.json.encode(memory), 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{path}: what is known of the worker cannot be kept ({error.strerror}), so nothing is done for it. Free"
            " disk space, or correct the owner of that folder."
        ) from error
