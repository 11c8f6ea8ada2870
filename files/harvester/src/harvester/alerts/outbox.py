"""Messages under way: each channel gets each one, however long it was down, up to a day and to a number."""

from collections.abc import Callable, Sequence

import structlog

from harvester.alerts.book import Book, Letter, Trial
from harvester.alerts.channels import Channel, SendResult
from harvester.alerts.message import Message
from harvester.alerts.wording import join
from harvester.base.clock import NS_PER_SECOND

log = structlog.get_logger()
KEEP_SECONDS = 86_400
MAX_LETTERS = 100
RETRY_SECONDS, MAX_RETRY_SECONDS = 55, 900
"""After a failure a channel is left alone, each time twice as long: it is no use, and services block who insists."""


def put(book: Book, messages: Sequence[Message], now_ns: int) -> None:
    """Add messages; the oldest go where there are too many or they are a day old, and the log says so."""
    for message in messages:
        book.letters.append(Letter(int(message.severity), message.cause, message.title, message.body, now_ns))
    fresh = [letter for letter in book.letters if abs(now_ns - letter.at_ns) < KEEP_SECONDS * NS_PER_SECOND]
    kept = fresh[-MAX_LETTERS:]
    for letter in book.letters:
        if letter not in kept and not letter.taken:
            log.error("message_dropped", title=letter.title, detail="no channel took it in time")
    book.letters = kept


def send(book: Book, channels: Sequence[Channel], now_ns: int, save: Callable[[], None]) -> list[SendResult]:
    """Bring each channel what it lacks, several messages as one; how each took it. `save` is called after each."""
    names = [channel.name for channel in channels]
    for letter in book.letters:
        if letter.left is None or not (letter.taken or set(letter.left) & set(names)):
            letter.left = list(names)
    results = []
    for channel in channels:
        waiting = [letter for letter in book.letters if channel.name in (letter.left or ())]
        if not waiting or not _may_try(book.trials.get(channel.name), now_ns):
            continue
        messages = [letter.message for letter in waiting]
        problem = channel.send(messages[0] if len(messages) == 1 else join(messages))
        results.append(SendResult(channel.kind, problem))
        note_result(book, channel, problem, now_ns)
        if not problem:
            _note_taken(channel.name, waiting)
        save()
    book.letters = [letter for letter in book.letters if set(letter.left or ()) & set(names)]
    book.trials = {name: trial for name, trial in book.trials.items() if name in names}
    book.taken = {name: at_ns for name, at_ns in book.taken.items() if name in names}
    save()
    return results


def _may_try(trial: Trial | None, now_ns: int) -> bool:
    """Whether the pause after a failure is over; a clock that was set back makes no pause longer."""
    return trial is None or not 0 < trial.next_ns - now_ns <= MAX_RETRY_SECONDS * NS_PER_SECOND


def note_result(book: Book, channel: Channel, problem: str, now_ns: int) -> None:
    """Remember how a channel took what it was sent last; after a failure it is left alone for a while."""
    if not problem:
        book.trials.pop(channel.name, None)
        book.taken[channel.name] = now_ns
        return
    failures = book.trials[channel.name].failures + 1 if channel.name in book.trials else 1
    pause = min(RETRY_SECONDS << min(failures - 1, 10), MAX_RETRY_SECONDS)
    book.trials[channel.name] = Trial(failures, now_ns + pause * NS_PER_SECOND, channel.kind, problem)


def _note_taken(name: str, letters: Sequence[Letter]) -> None:
    for letter in letters:
        letter.taken = True
        letter.left = [other for other in letter.left or () if other != name]
