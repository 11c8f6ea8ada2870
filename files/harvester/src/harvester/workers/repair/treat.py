"""What is done for a reported error: classify, patch the notebook within bounds, or leave it to a person.

A crash at any point is made good by the next round: what was begun is noted with the hashes of before and after, and
the mailbox's own copy says how far it came.
"""

from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import HarvesterError
from harvester.workers.faults import Treatment
from harvester.workers.mailbox import Mailbox
from harvester.workers.memory import Grade
from harvester.workers.repair.book import RepairBook, digest
from harvester.workers.repair.kinds import UNKNOWN, classify
from harvester.workers.repair.notebook import NotebookError, repair
from harvester.workers.repair.recipes import RECIPES
from harvester.workers.reports import Report

ALONE = "DATA_ERROR"
"""The kind for which nothing is done but to tell."""


class Bounds(NamedTuple):
    """What may be repaired: the notebook of this name, or none, and each kind so often in 24 hours."""

    notebook: str | None
    repairs_a_day: int


def treat(report: Report, mailbox: Mailbox, folder: Path, bounds: Bounds, now_ns: int) -> Treatment:
    """Raises MailboxError and HarvesterError; then the report waits, and is treated anew."""
    kind = classify(report.error_type, report.error_message, report.stacktrace)
    if kind == UNKNOWN:
        return Treatment(kind, "nobody knows this error", "critical")
    if kind == ALONE:
        return Treatment(kind, "the data need a person", restarts=False)
    if kind not in RECIPES:
        return Treatment(kind)
    if bounds.notebook is None or not bounds.repairs_a_day:
        return Treatment(kind, "repairs are switched off")
    try:
        return _patch(report, kind, mailbox, RepairBook(folder), bounds.notebook, bounds, now_ns)
    except OSError as error:
        raise HarvesterError(
            f"{error.filename or folder}: a repair cannot be noted ({error.strerror}), so none is made. Free disk"
            " space, or correct the owner of that folder."
        ) from error


def _patch(
    report: Report, kind: str, mailbox: Mailbox, book: RepairBook, notebook: str, bounds: Bounds, now_ns: int
) -> Treatment:
    begun = book.begun_for(report.id)
    data = mailbox.read(notebook)
    if data is None:
        return _left(kind, f"the notebook {notebook} is not in its mailbox")
    if begun is not None and digest(data) == begun["after"]:
        return Treatment(kind, f"the notebook {notebook} was repaired", repaired=True)
    if begun is None and book.count(kind, now_ns) >= bounds.repairs_a_day:
        often = f"{bounds.repairs_a_day} times in 24 hours for this"
        return _left(kind, f"the notebook {notebook} was repaired {often}", restarts=False)
    try:
        done = repair(data, kind, f"{report.error_message}\n{report.stacktrace[-2000:]}")
    except NotebookError as error:
        return _left(kind, f"the notebook {notebook} was not repaired: {error}")
    if done.data == data:
        return _left(kind, f"the notebook {notebook} was not changed: {done.why}", restarts=not done.hopeless)
    if begun is None:
        book.begin(report, kind, data, done.data, notebook, now_ns)
    elif digest(data) != begun["before"]:
        return _left(kind, f"the notebook {notebook} was changed by somebody else meanwhile")
    mailbox.put(notebook, done.data)
    return Treatment(kind, f"the notebook {notebook} was repaired", repaired=True, diff=done.diff)


def _left(kind: str, why: str, *, restarts: bool = True) -> Treatment:
    grade: Grade = "critical"
    return Treatment(kind, why, grade, restarts=restarts)


def undo(mailbox: Mailbox, folder: Path, now_ns: int) -> str:
    """Bring back what was there before the newest repair. HarvesterError where that would lose somebody else's work."""
    book = RepairBook(folder)
    try:
        last = book.last()
        if last is None:
            raise HarvesterError(f"{folder}: no repair is left that could be undone.")
        notebook, number = str(last["notebook"]), int(last["backup"])
        before = book.copy(notebook, number).read_bytes()
        data = mailbox.read(notebook)
        if data is not None and digest(data) not in (last["after"], last["before"]):
            raise HarvesterError(
                f"{notebook} was changed since its repair, so it is not replaced. What was there before the repair is"
                f" {book.copy(notebook, number)}; copy it yourself."
            )
        mailbox.put(notebook, before)
        book.undone(number, now_ns)
    except OSError as error:
        raise HarvesterError(f"{error.filename}: the repair cannot be undone ({error.strerror}).") from error
    return f"{notebook} is as it was before repair {number}"
