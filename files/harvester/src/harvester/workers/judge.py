"""The judgement of a worker: a pure function of what was seen, what is remembered, the rules and the time.

A sign of life is a status whose own time is plausible, or one that differs from what the look before saw: so a worker
whose clock is hours off lives. What nobody can see is unknown, and nobody is restarted for it; after a blindness the
worker has `slow_ns` to show itself before a miss counts.
"""

import hashlib
import json
from typing import NamedTuple

from msgspec.structs import replace

from harvester.base.clock import NS_PER_SECOND
from harvester.workers import wording
from harvester.workers.memory import HOUR_NS, Act, Grade, Memory, State, note_hour
from harvester.workers.status import Reading, read_status, read_time

DAY_NS = 24 * HOUR_NS
AHEAD_NS = 120 * NS_PER_SECOND
"""A status may be so far in the future: clocks that are set by NTP differ by less."""
FALLS = 3
TIMEOUT = "colab_timeout"
"""The reason in the signal, as the users' document has it."""


class Rules(NamedTuple):
    """How a worker is judged; times in ns. `stuck_ns` 0: its step is not asked for."""

    worker: str
    overseer: str
    progress: tuple[str, ...]
    zone: str
    slow_ns: int
    silent_ns: int
    stuck_ns: int
    miss_every_ns: int
    restarts_a_day: int
    command: bool
    """Whether a restart is a command besides the signal."""


class Sight(NamedTuple):
    """What a look at the mailbox brought. `unseen`: why it could not be seen; then the rest means nothing."""

    status: bytes | None = None
    signal: bytes | None = None
    unseen: str = ""
    duplicates: tuple[str, ...] = ()
    """Names that the mailbox has more than once."""


class Told(NamedTuple):
    """Something that people hear of once, and of its end."""

    severity: Grade
    text: str


def judge(memory: Memory, sight: Sight, now_ns: int, rules: Rules) -> Memory:
    """The memory after this look: the state, its cause, and in `pending` what is to be done."""
    looked = _not_ahead(replace(memory, first_ns=memory.first_ns or now_ns), now_ns)
    if sight.unseen:
        return note_hour(_blind(looked, sight.unseen, now_ns, rules), now_ns)
    reading = _read(sight.status, rules)
    seen = _notice(looked, sight.status, reading, now_ns, rules)
    state, cause = _state(seen, reading, now_ns, rules)
    seen = note_hour(replace(seen, state=state, cause=cause), now_ns)
    others = _others_signal(sight.signal, now_ns, rules)
    acts: list[Act] = []
    if state in ("silent", "stuck"):
        seen, acts = _miss(seen, others, now_ns, rules)
    elif state != "unknown":
        seen = replace(seen, misses=0, missed_ns=None)
    acts += _clear(sight.signal, seen, now_ns, rules)
    return _tell(seen, acts, _conditions(seen, reading, sight.duplicates, others, now_ns, rules), now_ns)


def _not_ahead(memory: Memory, now_ns: int) -> Memory:
    """What our own clock, which was set back, put into the future was at this moment at the latest."""
    names = ("first_ns", "good_ns", "beat_ns", "rose_ns")
    moments = {name: min(at_ns, now_ns) for name in names if (at_ns := getattr(memory, name)) is not None}
    return replace(
        memory,
        **moments,
        restarts=tuple(min(at_ns, now_ns) for at_ns in memory.restarts),
        falls=tuple(min(at_ns, now_ns) for at_ns in memory.falls),
    )


def _blind(memory: Memory, why: str, now_ns: int, rules: Rules) -> Memory:
    """Nothing that was told is over, and nothing is done; a long blindness is told itself."""
    memory = replace(memory, state="unknown", cause=why, seen_ns=memory.seen_ns and min(memory.seen_ns, now_ns))
    since_ns = memory.seen_ns or memory.first_ns or now_ns
    if memory.paused or "unseen" in memory.told or now_ns - since_ns < rules.slow_ns:
        return memory
    act = _say(now_ns, "unseen", Told("warning", wording.unseen(rules.worker, why, now_ns - since_ns)))
    return replace(memory, told=(*memory.told, "unseen"), pending=(*memory.pending, act))


def _read(status: bytes | None, rules: Rules) -> Reading:
    if status is None:
        return Reading(fault="there is none")
    return read_status(status, rules.worker, rules.progress, rules.zone)


def _notice(memory: Memory, status: bytes | None, reading: Reading, now_ns: int, rules: Rules) -> Memory:
    """Take signs of life and of progress into the memory."""
    before = memory.seen_ns
    broken = before is None or before > now_ns or now_ns - before > rules.slow_ns
    memory = replace(
        memory,
        seen_ns=now_ns,
        visible_ns=now_ns if broken else memory.visible_ns,
        restarts=tuple(at for at in memory.restarts if now_ns - at < DAY_NS),
        falls=tuple(at for at in memory.falls if now_ns - at < HOUR_NS),
    )
    if status is None or reading.foreign:
        return memory
    content = hashlib.sha256(status).hexdigest()
    if content != memory.content:
        memory = replace(memory, content=content, beat_ns=_beat(memory, reading, before, now_ns))
    return memory if reading.fault else _progress(replace(memory, good_ns=now_ns), reading.step, now_ns)


def _beat(memory: Memory, reading: Reading, before_ns: int | None, now_ns: int) -> int:
    """The moment of a status that is new to us: not before the look that still saw another one."""
    known = [memory.beat_ns] if memory.beat_ns is not None else []
    if reading.at_ns is not None and reading.at_ns <= now_ns + AHEAD_NS:
        known.append(min(reading.at_ns, now_ns))
    if memory.content:
        known.append(min(before_ns or now_ns, now_ns))
    return max(known, default=now_ns)


def _progress(memory: Memory, step: float | None, now_ns: int) -> Memory:
    if step is None or step == memory.step:
        return memory
    fell = memory.step is not None and step < memory.step
    return replace(memory, step=step, rose_ns=now_ns, falls=(*memory.falls, now_ns) if fell else memory.falls)


def _state(memory: Memory, reading: Reading, now_ns: int, rules: Rules) -> tuple[State, str]:
    if reading.foreign:
        return "unknown", f"the status in its mailbox is that of {reading.foreign}"
    if reading.finished:
        return "finished", ""
    age_ns = now_ns - (memory.beat_ns if memory.beat_ns is not None else memory.first_ns or now_ns)
    fault = f"; of its status: {reading.fault}" if reading.fault else ""
    if age_ns >= rules.silent_ns:
        return "silent", f"no sign of life for {wording.span(age_ns)}{fault}"
    if rules.stuck_ns and memory.rose_ns is not None and now_ns - memory.rose_ns >= rules.stuck_ns:
        return "stuck", f"at step {wording.step(memory.step)} for {wording.span(now_ns - memory.rose_ns)}"
    if age_ns >= rules.slow_ns:
        return "slow", f"no sign of life for {wording.span(age_ns)}{fault}"
    return "alive", fault.removeprefix("; ")


def _miss(memory: Memory, others: str, now_ns: int, rules: Rules) -> tuple[Memory, list[Act]]:
    """Count a miss when one is due, and restart where the budget has room and nobody else did."""
    visible = now_ns - (memory.visible_ns or now_ns) >= rules.slow_ns
    due = memory.missed_ns is None or not 0 <= now_ns - memory.missed_ns < rules.miss_every_ns
    if memory.paused or not visible or not due:
        return memory, []
    memory = replace(memory, misses=memory.misses + 1, missed_ns=now_ns)
    acts: list[Act] = []
    if others:
        done = f"{others} asked it to restart, so this overseer did not"
    elif len(memory.restarts) >= rules.restarts_a_day:
        done = wording.spent(rules.restarts_a_day)
    else:
        memory, acts = restart(memory, TIMEOUT, now_ns, rules)
        done = f"restart {len(memory.restarts)} of {rules.restarts_a_day} in 24 hours was asked for"
    if memory.misses in (1, 3):
        text = wording.missed(rules.worker, memory.state, memory.cause, memory.misses, done)
        acts.append(_say(now_ns, "missed", Told("critical", text), wording.remedy(rules.worker)))
        memory = replace(memory, told=tuple({*memory.told, "missed"}))
    return memory, acts


def restart(
    memory: Memory, reason: str, now_ns: int, rules: Rules, *, repaired: bool = False
) -> tuple[Memory, list[Act]]:
    """Take one from the budget, and what is to be done for it. The caller has seen to it that there is room."""
    acts = [Act(kind="signal", at_ns=now_ns, cause=reason, repaired=repaired)]
    if rules.command:
        acts.append(Act(kind="command", at_ns=now_ns, cause=reason))
    return replace(memory, restarts=(*memory.restarts, now_ns)), acts


def _others_signal(signal: bytes | None, now_ns: int, rules: Rules) -> str:
    """The name of another overseer whose signal waits and is not stale; "" where there is none."""
    by, at_ns = read_signal(signal)
    return by if by and by != rules.overseer and at_ns is not None and 0 <= now_ns - at_ns < DAY_NS else ""


def read_signal(signal: bytes | None) -> tuple[str, int | None]:
    """Who asked for a restart, and when. What cannot be read is nobody's."""
    try:
        fields = json.loads(signal or b"null")
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(fields, dict):
        return "", None
    return str(fields.get("requested_by") or "")[:120], read_time(fields.get("requested_at"), "UTC")[0]


def _clear(signal: bytes | None, memory: Memory, now_ns: int, rules: Rules) -> list[Act]:
    """A signal goes when the worker lives and had time to read it, and when it is a day old, or of the future."""
    if signal is None:
        return []
    _, at_ns = read_signal(signal)
    age_ns = DAY_NS if at_ns is None else now_ns - at_ns
    lives = memory.state == "alive" and (memory.beat_ns or 0) > (at_ns or 0) and age_ns >= rules.slow_ns
    return [Act(kind="clear", at_ns=now_ns)] if lives or not -AHEAD_NS <= age_ns < DAY_NS else []


def _conditions(
    memory: Memory, reading: Reading, duplicates: tuple[str, ...], others: str, now_ns: int, rules: Rules
) -> dict[str, Told]:
    """What is not well besides a miss, by its cause."""
    found: dict[str, Told] = {}
    name = rules.worker
    if reading.foreign:
        found["foreign"] = Told("warning", wording.foreign(name, reading.foreign))
    if reading.at_ns is not None and reading.at_ns > now_ns + AHEAD_NS:
        found["clock"] = Told("warning", wording.ahead(name, reading.at_ns - now_ns))
    if reading.without_zone:
        found["zone"] = Told("info", wording.without_zone(name, rules.zone))
    if reading.fault and memory.content and now_ns - (memory.good_ns or memory.first_ns or now_ns) >= rules.slow_ns:
        found["status"] = Told("warning", wording.illegible(name, reading.fault))
    if duplicates:
        found["duplicates"] = Told("warning", wording.duplicates(name, duplicates))
    if others:
        found["overseers"] = Told("warning", wording.two_overseers(name, others))
    spent = memory.restarts and len(memory.restarts) >= rules.restarts_a_day
    if memory.misses and spent and (memory.missed_ns or 0) > memory.restarts[-1]:
        found["budget"] = Told("critical", wording.budget(name, rules.restarts_a_day))
    if len(memory.falls) >= FALLS:
        found["falls"] = Told("critical", wording.falls(name, len(memory.falls)))
    if memory.misses and "missed" in memory.told:
        found["missed"] = Told("critical", "")  # said where it was counted
    return found


def _tell(memory: Memory, acts: list[Act], found: dict[str, Told], now_ns: int) -> Memory:
    """Say what is new and what is over; while it is paused, only the latter."""
    if memory.paused:
        found = {cause: told for cause, told in found.items() if cause in memory.told}
    acts += [_say(now_ns, cause, told) for cause, told in found.items() if cause not in memory.told]
    over = [cause for cause in memory.told if cause not in found]
    acts += [_say(now_ns, cause, Told("clear", wording.over(cause, memory.state))) for cause in over]
    return replace(memory, told=tuple(sorted(found)), pending=(*memory.pending, *acts))


def _say(now_ns: int, cause: str, told: Told, remedy: str = "") -> Act:
    return Act(kind="tell", at_ns=now_ns, cause=cause, severity=told.severity, text=told.text, remedy=remedy)
