"""One look at every worker: its mailbox, the reports that came, the judgement, and what follows from it.

What is decided is kept before the first act of it is begun, and each act done twice is done once; so a crash at any
point leaves what the next round does, and nothing is done twice. A command is begun once at most.
"""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import Clock
from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory
from harvester.base.redaction import one_line
from harvester.workers import wording
from harvester.workers.faults import answer
from harvester.workers.judge import Sight, judge
from harvester.workers.mailbox import Entry, Mailbox, MailboxError, duplicates, take
from harvester.workers.memory import HOUR_NS, Act, Memory, load, save
from harvester.workers.places import open_mailbox
from harvester.workers.repair.book import RepairBook
from harvester.workers.repair.treat import Bounds, treat
from harvester.workers.reports import ErrorLog, Report, inbox_of, parse_report
from harvester.workers.settings import OverseerSettings, WorkerSettings
from harvester.workers.signal import heartbeat_of, signal_of

log = structlog.get_logger()
COMMAND_SECONDS = 300
AT_ONCE = 100
"""Reports of one inbox that a round takes; the rest wait for the next."""


class Parts(NamedTuple):
    """A worker with what an overseer needs to see to it."""

    settings: OverseerSettings
    worker: WorkerSettings
    mailbox: Mailbox
    clock: Clock

    @property
    def folder(self) -> Path:
        return self.settings.data_dir / self.worker.name

    @property
    def memory(self) -> Path:
        return self.folder / "memory.json"


@contextmanager
def alone(settings: OverseerSettings) -> Iterator[None]:
    """One overseer of this host at a time; waits for another one's end. Raises HarvesterError."""
    try:
        make_directory(settings.data_dir)
        descriptor = os.open(settings.data_dir / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{settings.data_dir}: the memory of the workers cannot be opened ({error.strerror}). Correct the owner of"
            " that folder, or run this as its owner."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def parts_of(settings: OverseerSettings, worker: WorkerSettings, clock: Clock) -> Parts:
    """Open its mailbox and make its folder. Raises HarvesterError."""
    parts = Parts(settings, worker, open_mailbox(worker.mailbox, settings.rclone, settings.region), clock)
    try:
        make_directory(parts.folder)
    except OSError as error:
        raise HarvesterError(f"{parts.folder}: cannot be made ({error.strerror}). Correct its owner.") from error
    return parts


def look_at(parts: Parts) -> Memory:
    """Look once, act, and return what is known then. Raises HarvesterError; other workers are not concerned."""
    memory, now_ns = load(parts.memory), parts.clock.wall_ns()
    rules = parts.worker.rules(parts.settings.host_id)
    entries, sight = _see(parts)
    memory = judge(memory, sight, now_ns, rules)
    save(parts.memory, memory)
    memory = perform(parts, memory)
    if not sight.unseen and not 0 <= now_ns - (memory.heartbeat_ns or 0) < HOUR_NS:
        memory = _show_life(parts, memory, now_ns)
    names = {entry.name for entry in entries}
    for name in parts.worker.reports:
        if name in names:
            memory = _take(parts, parts.mailbox, name, memory)
    own = inbox_of(parts.settings.data_dir, parts.worker.name)
    for place in (*parts.worker.inboxes, *([str(own)] if own.is_dir() else [])):
        memory = _empty(parts, place, memory)
    return memory


def _show_life(parts: Parts, memory: Memory, now_ns: int) -> Memory:
    """Write the overseer's own heartbeat. A mailbox that takes none is tried again at the next look."""
    try:
        parts.mailbox.put(parts.worker.heartbeat, heartbeat_of(parts.settings.host_id, memory.state, now_ns))
    except MailboxError as error:
        log.warning("heartbeat_refused", worker=parts.worker.name, detail=str(error))
        return memory
    memory = replace(memory, heartbeat_ns=now_ns)
    save(parts.memory, memory)
    return memory


def _see(parts: Parts) -> tuple[list[Entry], Sight]:
    try:
        entries = list(parts.mailbox.look())
        names = {entry.name for entry in entries}
        status = parts.mailbox.read(parts.worker.status) if parts.worker.status in names else None
        signal = parts.mailbox.read(parts.worker.signal) if parts.worker.signal in names else None
    except MailboxError as error:
        return [], Sight(unseen=str(error))
    return entries, Sight(status, signal, duplicates=tuple(duplicates(entries)))


def _empty(parts: Parts, place: str, memory: Memory) -> Memory:
    """Take the reports that a door put into a place of its own."""
    inbox = open_mailbox(place, parts.settings.rclone, parts.settings.region)
    try:
        names = sorted(entry.name for entry in inbox.look() if entry.name.endswith(".json"))
    except MailboxError as error:
        log.warning("inbox_unseen", worker=parts.worker.name, detail=str(error))
        return memory
    for name in names[:AT_ONCE]:
        memory = _take(parts, inbox, name, memory)
    return memory


def _take(parts: Parts, mailbox: Mailbox, name: str, memory: Memory) -> Memory:
    """Act on a report and remove it. One that is none is removed, too: it is said in the log."""
    known = [memory]

    def act(data: bytes) -> None:
        try:
            report = parse_report(data)
        except ValueError as error:
            log.warning("report_refused", worker=parts.worker.name, name=name, detail=str(error), bytes=len(data))
            return
        now_ns = parts.clock.wall_ns()
        _write(parts, lambda: ErrorLog(parts.folder / "errors").add(report, name, now_ns))
        if report.id not in known[0].handled:
            known[0] = _answer(parts, report, known[0], now_ns)

    try:
        take(mailbox, name, act)
    except MailboxError as error:
        log.warning("report_left", worker=parts.worker.name, name=name, detail=str(error))
    return known[0]


def _write(parts: Parts, note: Callable[[], None]) -> None:
    try:
        note()
    except OSError as error:
        raise HarvesterError(
            f"{error.filename or parts.folder}: a report cannot be noted ({error.strerror}), so it waits in its"
            " mailbox. Free disk space, or correct the owner of that folder."
        ) from error


def _answer(parts: Parts, report: Report, memory: Memory, now_ns: int) -> Memory:
    bounds = Bounds(None if memory.paused else parts.worker.notebook, parts.worker.repairs_a_day)
    treatment = treat(report, parts.mailbox, parts.folder, bounds, now_ns)
    restarts = memory.restarts
    memory = answer(memory, report, treatment, now_ns, parts.worker.rules(parts.settings.host_id))
    restarted = memory.restarts != restarts
    _write(
        parts,
        lambda: RepairBook(parts.folder).end(
            report, treatment.kind, now_ns, patched=treatment.repaired, restart=restarted
        ),
    )
    save(parts.memory, memory)
    return perform(parts, memory)


def perform(parts: Parts, memory: Memory) -> Memory:
    """Do what is pending, in order, and keep after each what is left. Raises HarvesterError; the rest waits then."""
    left: list[Act] = []
    while memory.pending:
        act, memory = memory.pending[0], replace(memory, pending=memory.pending[1:])
        if act.kind in ("signal", "command") and _is_useless(act, memory, parts):
            if act.kind == "signal" and (memory.beat_ns or 0) <= act.at_ns:
                memory = replace(
                    memory, pending=(*memory.pending, _tell(act, "signal", wording.unsignalled(parts.worker.name)))
                )
            continue
        if act.kind == "command":
            save(parts.memory, replace(memory, pending=(*left, *memory.pending)))
        try:
            memory = _do(parts, memory, act)
        except MailboxError as error:
            log.warning("mailbox_refused", worker=parts.worker.name, act=act.kind, detail=str(error))
            if act.kind == "signal":
                left.append(act)
        save(parts.memory, replace(memory, pending=(*left, *memory.pending)))
    return replace(memory, pending=tuple(left))


def _is_useless(act: Act, memory: Memory, parts: Parts) -> bool:
    """Whether a restart that was decided some time ago is not wanted any more: it lives again, or that is long ago."""
    rules = parts.worker.rules(parts.settings.host_id)
    return (memory.beat_ns or 0) > act.at_ns or parts.clock.wall_ns() - act.at_ns >= rules.slow_ns


def _do(parts: Parts, memory: Memory, act: Act) -> Memory:
    if act.kind == "tell":
        grade, source = Severity[act.severity.upper()], f"worker-{parts.worker.name}"
        notice = Notice(grade, act.cause, source, parts.settings.host_id, act.text, act.remedy)
        post(parts.settings.alert_inbox, notice)
    elif act.kind == "signal":
        parts.mailbox.put(parts.worker.signal, signal_of(act, parts.settings.host_id))
    elif act.kind == "clear":
        parts.mailbox.clear(parts.worker.signal)
    elif why := _command(parts.worker.restart_command):
        failed = _tell(act, "command", wording.uncommanded(parts.worker.name, why))
        return replace(memory, pending=(*memory.pending, failed))
    return memory


def _tell(act: Act, cause: str, text: str) -> Act:
    return Act(kind="tell", at_ns=act.at_ns, cause=cause, text=text)


def _command(command: tuple[str, ...]) -> str:
    """Run it; why it failed, or nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{command[0]} was ended after {COMMAND_SECONDS} s"
    except OSError as error:
        return f"{command[0]} cannot be run ({error.strerror})"
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return f"{command[0]} ended with {done.returncode}: {one_line(said[-1] if said else 'it said nothing')}"
