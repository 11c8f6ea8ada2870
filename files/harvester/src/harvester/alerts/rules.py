"""What people are told, and when: repeats, the digest of a storm, the all-clear. Decided from the book and the time.

Nothing here looks at a clock, a file or a network. Every age is checked for its sign: a clock that was set back, or a
book of another day, silences nothing.
"""

from collections.abc import Sequence

from harvester.alerts.book import WINDOW_SECONDS, Book, Entry
from harvester.alerts.message import REPEAT_SECONDS, Message, Severity
from harvester.alerts.notice import Notice
from harvester.alerts.wording import describe_all, describe_clear, describe_one
from harvester.base.clock import NS_PER_SECOND

UNIT_FAILED = "unit_failed"
HOST = "host"
"""Source of what is found by the list of what must be true."""
SETTLED_SECONDS = 50
"""What is not true for so long is no restart, and no deploy under way: it is so at two looks."""
MAX_WINDOW_SECONDS = 600
MAX_ENTRIES = 200
FORGET_SECONDS = 14 * 86_400
"""A notice whose end nobody ever tells."""


def raise_notice(book: Book, notice: Notice, at_ns: int, *, lasts: bool = False) -> None:
    """Take a notice in. `lasts`: it is handed in at every look while it is so, and counts as one."""
    entry = book.find(notice.cause, notice.source)
    if entry is None:
        if len(book.entries) >= MAX_ENTRIES:
            book.beyond += 1
            return
        entry = Entry(notice.cause, notice.source, at_ns)
        book.entries.append(entry)
    if not (entry.open and entry.lasts and lasts):
        entry.count += 1
    if not entry.open:
        entry.open, entry.since_ns = True, at_ns
    if notice.severity > entry.severity:
        entry.count = max(1, entry.count)
    entry.lasts, entry.seen_ns, entry.severity = lasts, at_ns, int(notice.severity)
    entry.host, entry.text, entry.remedy = notice.host, notice.text, notice.remedy


def end_notices(book: Book, source: str, cause: str, at_ns: int, text: str = "") -> None:
    """What was raised of this source and cause is over; without a cause, all of the source."""
    for entry in book.entries:
        if entry.open and entry.source == source and cause in ("", entry.cause):
            entry.open, entry.ended_ns, entry.end_text = False, at_ns, text


def end_missing(book: Book, seen: set[tuple[str, str]], at_ns: int, *, of_host: bool = False) -> None:
    """Of what lasts, of the host or of the recorder, whatever was not seen at this look is over."""
    for entry in book.entries:
        if entry.lasts and (entry.source == HOST) is of_host and (entry.cause, entry.source) not in seen:
            end_notices(book, entry.source, entry.cause, at_ns)


def settle(book: Book, notices: Sequence[Notice], now_ns: int) -> list[Notice]:
    """Those that were there at a look before; of the others it is noted since when they are."""
    since = {each.cause: book.suspects.get(each.cause, now_ns) for each in notices}
    book.suspects = {cause: min(at_ns, now_ns) for cause, at_ns in since.items()}
    return [each for each in notices if now_ns - book.suspects[each.cause] >= SETTLED_SECONDS * NS_PER_SECOND]


def decide(book: Book, now_ns: int, *, repeating: bool) -> tuple[list[Message], list[Entry]]:
    """What to send now, and the entries it tells of. `repeating`: what lasts is told again when its time has come."""
    ready = [entry for entry in book.entries if _is_due(entry, now_ns, repeating)]
    ready.sort(key=lambda entry: (-entry.severity, entry.since_ns))
    ended = [entry for entry in book.entries if entry.believed and not entry.open and entry not in ready]
    if _is_within(now_ns - book.window_ns, book.window_seconds):
        ended, chosen = [], [entry for entry in ready[:1] if entry.severity > book.window_severity]
    else:
        storm = any(entry.held for entry in ready)
        chosen = ready if storm else ready[:1]
        if chosen or ended:
            book.window_seconds = min(2 * book.window_seconds, MAX_WINDOW_SECONDS) if storm else WINDOW_SECONDS
            book.window_ns, book.window_severity = now_ns, 0
    messages = _tell(book, chosen, now_ns)
    for entry in ready:
        entry.held = entry not in chosen
    if ended:
        messages.append(describe_clear(ended, [entry for entry in book.entries if _is_still_open(entry)]))
        for entry in ended:
            entry.believed = False
    _forget(book, now_ns)
    return messages, chosen + ended


def _tell(book: Book, chosen: list[Entry], now_ns: int) -> list[Message]:
    if not chosen:
        return []
    beyond = book.beyond if len(chosen) > 1 else 0
    message = describe_one(chosen[0]) if len(chosen) == 1 else describe_all(chosen, beyond)
    book.beyond -= beyond
    book.window_severity = max(book.window_severity, *(entry.severity for entry in chosen))
    for entry in chosen:
        entry.told_ns, entry.told_severity, entry.count, entry.believed = now_ns, entry.severity, 0, entry.open
    return [message]


def _is_due(entry: Entry, now_ns: int, repeating: bool) -> bool:
    is_only_due = entry.source == HOST and entry.severity == Severity.INFO
    if not entry.count and not (entry.lasts and entry.open and repeating and not is_only_due):
        return False
    told = entry.told_ns and entry.told_severity >= entry.severity
    return not (told and _is_within(now_ns - entry.told_ns, REPEAT_SECONDS[Severity(entry.severity)]))


def _is_still_open(entry: Entry) -> bool:
    """Whether people know of it, and will be told of its end."""
    return entry.believed and entry.open and (entry.lasts or entry.cause == UNIT_FAILED)


def _is_within(age_ns: int, seconds: int) -> bool:
    return 0 <= age_ns < seconds * NS_PER_SECOND


def _forget(book: Book, now_ns: int) -> None:
    """Drop what is over and past its repeat, and what nobody ever ended."""
    longest = max(REPEAT_SECONDS.values())
    book.entries = [
        entry
        for entry in book.entries
        if entry.count
        or _is_within(now_ns - entry.told_ns, longest)
        or ((entry.open or entry.believed) and abs(now_ns - entry.seen_ns) < FORGET_SECONDS * NS_PER_SECOND)
    ]
