"""The folder through which units and scripts hand in notices: one file each, whole or not there, until it is taken."""

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import structlog

from harvester.alerts.message import Message
from harvester.alerts.notice import Notice, parse_notice
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file

log = structlog.get_logger()
MAX_BYTES = 32_768
AT_ONCE = 5_000
"""Files of one look; the rest wait for the next."""
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Posted(NamedTuple):
    """A notice that lies in the inbox, and when it was put there."""

    path: Path
    notice: Notice
    at_ns: int


def post(inbox: Path, notice: Notice) -> None:
    """Hand a notice in, durably; it is sent within a minute. Raises HarvesterError."""
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    try:
        replace_file(inbox / name, notice.encode(), 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{inbox}: the notice cannot be handed in ({error.strerror}), so nobody is told: {notice.text}. On a host"
            " site.yml makes the folder, and members of the group harvester may write there; elsewhere name one in"
            " alerts.inbox."
        ) from error


def take(inbox: Path) -> Iterator[Posted]:
    """Notices in the order of their names; what is none is removed with a log line. The caller discards them."""
    try:
        paths = sorted(path for path in inbox.iterdir() if not path.name.startswith("."))
    except OSError as error:
        log.warning("inbox_unreadable", path=str(inbox), detail=error.strerror)
        return
    for path in paths[:AT_ONCE]:
        try:
            yield _read(path)
        except (OSError, ValueError) as error:
            log.warning("notice_unreadable", path=path.name, detail=str(error))
            discard(path)


def discard(path: Path) -> None:
    """Remove a notice whose content is kept elsewhere."""
    with contextlib.suppress(OSError):
        path.unlink()


def _read(path: Path) -> Posted:
    descriptor = os.open(path, READ)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise ValueError(f"not a regular file of at most {MAX_BYTES} bytes")
        return Posted(path, parse_notice(os.read(descriptor, MAX_BYTES)), found.st_mtime_ns)
    finally:
        os.close(descriptor)


class InboxChannel:
    """Takes a message as a channel does, and hands it in as a notice of `source`."""

    kind = "inbox"

    def __init__(self, inbox: Path, *, source: str, host: str) -> None:
        self._inbox, self._source, self._host = inbox, source, host

    def send(self, message: Message) -> str:
        cause = message.cause if message.severity else ""
        try:
            post(
                self._inbox,
                Notice(message.severity, cause, self._source, self._host, f"{message.title}\n{message.body}"),
            )
        except HarvesterError as error:
            return str(error)
        return ""
