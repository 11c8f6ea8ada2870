"""One look on a host: what was handed in, what the recorder says, what people are told of it; and the sending."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from harvester.alerts import inbox, outbox, rules
from harvester.alerts.book import Book, BookFile, Entry
from harvester.alerts.channels import Channel, SendResult
from harvester.alerts.host import find_channels, open_channels, read_calendar
from harvester.alerts.logfile import append, log_line
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.alerts.ports import write_ports
from harvester.alerts.watch import HostLook, find_losses
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.config.alerting import AlertSettings
from harvester.config.settings import Settings
from harvester.health.facts import Reach, Refusal, reach_file, read_reach, write_reach

log = structlog.get_logger()
ASKED_NS = 110 * NS_PER_SECOND
"""Every other minute: to ask AWS costs a second of a small processor."""
SETTLED_NS = 50 * NS_PER_SECOND
"""A unit that failed this long ago and is well is well: systemd starts some again within seconds."""


class Teller:
    """Looks, then sends. What is to be sent is in the book before it is sent, so that nothing is lost between."""

    def __init__(
        self,
        settings: Settings | None,
        now_ns: int,
        is_well: Callable[[str], bool | None],
        alerts: AlertSettings | None = None,
    ) -> None:
        """`alerts` are those of `settings` unless these cannot be read."""
        self._alerts = alerts or (settings.alerts if settings else AlertSettings())
        self._settings, self._now_ns, self._is_well = settings, now_ns, is_well
        memory, ports = self._alerts.memory, self._alerts.ports
        self._file = BookFile(memory.with_name("book.json"), ports.with_name("unsaved-book.json"))

    def look(self, status: dict[str, Any] | None, host: HostLook | None = None) -> None:
        """Take in what is new, decide, and put messages into the book. Raises OSError where that cannot be kept."""
        with self._locked():
            book = self._file.read()
            posted = list(inbox.take(self._alerts.inbox))
            for each in posted:
                self._take(book, each.notice, min(each.at_ns, self._now_ns))
            repeating = self._watch(book, status)
            if host:
                self._watch_host(book, host)
                repeating = repeating or host.in_session
            self._look_at_units(book)
            messages, entries = rules.decide(book, self._now_ns, repeating=repeating)
            self._log(entries)
            outbox.put(book, messages, self._now_ns)
            self._file.write(book)
            for each in posted:
                inbox.discard(each.path)
            for message in messages:
                log.info("message", severity=message.severity.name.lower(), cause=message.cause, title=message.title)
            if book.letters:
                self._write_ports()

    def send(self) -> list[SendResult]:
        """Send what is due by every channel that takes it. Raises ConfigError, StoreError: the channels are unknown."""
        with self._locked():
            book = self._file.read()
            try:
                if not book.letters:
                    return []
                channels = open_channels(self._alerts)
                return outbox.send(book, channels, self._now_ns, lambda: self._file.write(book))
            finally:
                self._write_reach(book)

    def note_test(self, channels: Sequence[Channel], results: Sequence[SendResult]) -> None:
        """Take into account how each channel took a test message. Raises OSError where that cannot be kept."""
        with self._locked():
            book = self._file.read()
            for channel, result in zip(channels, results, strict=True):
                outbox.note_result(book, channel, result.problem, self._now_ns)
            self._file.write(book)
            self._write_reach(book, asked=True)

    def _take(self, book: Book, notice: Notice, at_ns: int) -> None:
        if notice.severity == Severity.CLEAR:
            rules.end_notices(book, notice.source, notice.cause, at_ns, notice.text)
        else:
            rules.raise_notice(book, notice, at_ns)

    def _watch(self, book: Book, status: dict[str, Any] | None) -> bool:
        """Take in the recorder's losses, and end those that are over; whether what lasts is worth telling again."""
        if status is None or self._settings is None:
            return False
        losses = find_losses(self._settings, status, read_calendar(self._settings), self._now_ns)
        if losses is None:
            return False
        for notice in losses:
            rules.raise_notice(book, notice, self._now_ns, lasts=True)
        rules.end_missing(book, {(notice.cause, notice.source) for notice in losses}, self._now_ns)
        return bool(status.get("window", {}).get("open"))

    def _watch_host(self, book: Book, host: HostLook) -> None:
        """Take in what is not true of the host, and end what is true again."""
        for notice in rules.settle(book, host.notices, self._now_ns):
            rules.raise_notice(book, notice, self._now_ns, lasts=True)
        if host.complete:
            seen = {(notice.cause, notice.source) for notice in host.notices}
            rules.end_missing(book, seen, self._now_ns, of_host=True)

    def _look_at_units(self, book: Book) -> None:
        for entry in book.entries:
            settled = not 0 <= self._now_ns - entry.seen_ns < SETTLED_NS
            if entry.cause == rules.UNIT_FAILED and entry.open and settled and self._is_well(entry.source):
                rules.end_notices(book, entry.source, entry.cause, self._now_ns)

    def _log(self, entries: list[Entry]) -> None:
        lines = [_line(entry, self._now_ns) for entry in entries]
        try:
            append(self._alerts.log_dir, lines, self._now_ns)
        except OSError as error:
            log.warning("alerts_log_failed", path=str(self._alerts.log_dir), detail=str(error))

    def _write_ports(self) -> None:
        try:
            write_ports(self._alerts.ports, open_channels(self._alerts))
        except HarvesterError as error:  # without a channel the sending comes to the same
            log.warning("ports_unknown", detail=str(error))

    def _write_reach(self, book: Book, *, asked: bool = False) -> None:
        """Say for whoever asks whether people can be told; a distant store that named channels is asked more rarely."""
        path, is_local = reach_file(self._alerts.ports), self._alerts.channels.startswith("file:")
        reach = read_reach(path)
        is_known = reach is not None and reach.channels and 0 <= self._now_ns - reach.asked_ns < ASKED_NS
        if reach is None or asked or is_local or book.letters or not is_known:
            reach = self._ask_channels(book)
        reach.at_ns = self._now_ns
        try:
            write_reach(path, reach)
        except OSError as error:
            log.warning("reach_not_written", path=str(path), detail=str(error))

    def _ask_channels(self, book: Book) -> Reach:
        try:
            names = find_channels(self._alerts)
        except HarvesterError as error:
            return Reach(self._now_ns, problem=str(error), asked_ns=self._now_ns)
        failing = [trial for name, trial in book.trials.items() if name in names]
        refusals = [Refusal(trial.channel, trial.problem) for trial in failing]
        taken_ns = min((book.taken.get(name, 0) for name in names), default=0)
        return Reach(self._now_ns, len(names), refusals=refusals, asked_ns=self._now_ns, taken_ns=taken_ns)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._alerts.memory.with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _line(entry: Entry, now_ns: int) -> str:
    if entry.open:
        return log_line(Severity(entry.severity), entry.source, f"{entry.text} {entry.remedy}", now_ns)
    return log_line(Severity.CLEAR, entry.source, f"{entry.title} {entry.end_text}", now_ns)
