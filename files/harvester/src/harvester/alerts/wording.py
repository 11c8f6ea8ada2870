"""Notices as messages: plain text, bounded, with host, source, cause and remedy."""

from collections.abc import Sequence

from harvester.alerts.book import Entry
from harvester.alerts.message import Message, Severity
from harvester.base.market import to_local

BODY_LENGTH = 3_000
"""Telegram takes 4,096 characters of text (Bot API, sendMessage), the smallest of what the common services take."""

DETAIL_LENGTH = 160
"""Of one notice among several."""


def describe_one(entry: Entry) -> Message:
    """One notice."""
    rest = entry.text.partition("\n")[2]
    remedy = f"What to do: {entry.remedy}" if entry.remedy else ""
    origin = f"{_name(entry)} from {entry.source} ({entry.cause}) on {entry.host}, {_span(entry)}."
    body = "\n".join(line for line in (rest, remedy, origin) if line)
    return Message(Severity(entry.severity), entry.cause, f"{entry.host}: {entry.title}", body[:BODY_LENGTH])


def describe_all(entries: Sequence[Entry], beyond: int) -> Message:
    """A digest, the gravest first; `beyond`: notices that are not even in the book."""
    worst = Severity(entries[0].severity)
    lines = [
        f"{_name(entry)} {entry.source}: {entry.title} ({_span(entry)}){_detail(entry)}"
        + (f" What to do: {entry.remedy}" if entry.remedy else "")
        for entry in entries
    ]
    lines += [f"{beyond} notices of further causes were not kept."] if beyond else []
    return Message(worst, "digest", f"{entries[0].host}: {len(entries)} more notices", fit(lines))


def describe_clear(ended: Sequence[Entry], still: Sequence[Entry]) -> Message:
    """One all-clear for all that has ended; it names what is still open."""
    first = ended[0]
    title = (first.end_text.partition("\n")[0] or f"clear: {first.title}") if len(ended) == 1 else "all clear"
    if len(ended) > 1 and still:
        title = f"{len(ended)} are clear, {len(still)} still open"
    lines = [
        f"Clear since {_clock(entry.ended_ns)}: {entry.source}: {entry.title}"
        + (f" {' '.join(entry.end_text.split())}" if entry.end_text else "")
        for entry in ended
    ]
    lines += [f"Still open: {entry.source}: {entry.title}" for entry in still]
    return Message(Severity.CLEAR, first.cause, f"{first.host}: {title}", fit(lines))


def join(messages: Sequence[Message]) -> Message:
    """What a channel missed while it was down, as one message."""
    worst = max(messages, key=lambda message: message.severity)
    lines = [f"{message.title}\n{message.body}" for message in messages]
    title = f"{len(messages)} messages of a time in which this channel took none"
    return Message(worst.severity, worst.cause, title, fit(lines))


def fit(lines: Sequence[str]) -> str:
    """As many lines as there is room for, and how many there are besides."""
    kept, size = 0, 0
    while kept < len(lines) and size + len(lines[kept]) < BODY_LENGTH:
        size += len(lines[kept]) + 1
        kept += 1
    kept = max(1, kept)
    more = [f"... and {len(lines) - kept} more: the log of the alerts has them."] if kept < len(lines) else []
    return "\n".join([line[:BODY_LENGTH] for line in lines[:kept]] + more)


def _detail(entry: Entry) -> str:
    """The first words of what is behind a title, for a line of a digest."""
    words = " ".join(entry.text.partition("\n")[2].split())
    return f": {words[:DETAIL_LENGTH]}{'...' if len(words) > DETAIL_LENGTH else ''}" if words else ""


def _name(entry: Entry) -> str:
    return Severity(entry.severity).name


def _span(entry: Entry) -> str:
    times = f"{entry.count} times, " if entry.count > 1 else ""
    over = f", over since {_clock(entry.ended_ns)}" if not entry.open else ""
    return f"{times}since {_clock(entry.since_ns)}{over}"


def _clock(wall_ns: int) -> str:
    return f"{to_local(wall_ns):%a %d %b %H:%M %Z}"
