"""What became of a due: decided from the due, what was found and the time, and from nothing else."""

from collections.abc import Iterable, Sequence
from datetime import date

from harvester.dues.due import WRONG, Due, Entry, Found, Source, State, UnseenError


def judge(due: Due, found: Found, now_ns: int) -> Entry:
    """The entry of a due at this time."""
    state = _state(due, found, now_ns)
    cause = found.excused if state == "excused" else found.unseen if state == "unknown" else found.cause or found.lack
    if state == "missing" and not cause:
        cause = "nothing was seen of it"
    if state == "waiting" and now_ns < due.due_ns:
        cause = ""  # that it is not there yet has no cause but the time
    return Entry(due=due, state=state, met_ns=found.met_ns, proof=found.proof, cause=cause, told=found.told)


def _state(due: Due, found: Found, now_ns: int) -> State:
    if found.met_ns is not None:
        if found.met_ns > due.by_ns:
            return "late"
        return "partial" if found.lack else "met"
    if found.excused:
        return "excused"
    if found.unseen:
        return "unknown"
    return "missing" if now_ns > due.by_ns else "waiting"


def ledger_of(sources: Iterable[Source], day: date, now_ns: int) -> list[Entry]:
    """Every due of a day, judged, in order of time. A source that can say nothing has one entry, which says so."""
    entries = [entry for source in sources for entry in _entries(source, day, now_ns)]
    return sorted(entries, key=lambda entry: (entry.due.due_ns, entry.due.kind, entry.due.name))


def _entries(source: Source, day: date, now_ns: int) -> list[Entry]:
    try:
        dues = source.declare(day)
    except UnseenError as error:
        unknown = Due(
            kind=source.kind, name="*", period=str(day), due_ns=now_ns, by_ns=now_ns, proof="", remedy="./inv status"
        )
        return [judge(unknown, Found(unseen=str(error)), now_ns)]
    return [judge(due, _find(source, due), now_ns) for due in dues]


def _find(source: Source, due: Due) -> Found:
    try:
        return source.find(due)
    except UnseenError as error:
        return Found(unseen=str(error))


def overdue(sources: Iterable[Source], days: Sequence[date], now_ns: int) -> list[Entry]:
    """What people must be told of: of each thing its newest due, where that is missing or unknown, and nobody told.

    What came again later is over, and what is waiting changes nothing of what was missing before it.
    """
    found = [entry for source in sources if source.tells for entry in _newest(source, days, now_ns)]
    return [entry for entry in found if entry.state in WRONG and not entry.told]


def _newest(source: Source, days: Sequence[date], now_ns: int) -> list[Entry]:
    """Of each thing the newest entry that says something. It is asked for backwards: much is due every minute."""
    found: dict[str, Entry] = {}
    for day in reversed(days):
        try:
            dues = source.declare(day, found.keys())
        except UnseenError:
            return [*found.values(), *_entries(source, day, now_ns)]
        for due in reversed(dues):
            if due.name not in found and due.due_ns <= now_ns:
                entry = judge(due, _find(source, due), now_ns)
                if entry.state not in ("waiting", "excused"):
                    found[due.name] = entry
    return list(found.values())


def judge_again(sources: Iterable[Source], entries: Iterable[Entry], now_ns: int) -> list[Entry]:
    """The same entries, where what was missing came after all; whatever a schedule says now changes nothing else."""
    by_kind = {source.kind: source for source in sources}
    return [_again(by_kind.get(entry.due.kind), entry, now_ns) for entry in entries]


def _again(source: Source | None, entry: Entry, now_ns: int) -> Entry:
    if source is None or entry.state not in WRONG:
        return entry
    new = judge(entry.due, _find(source, entry.due), now_ns)
    return entry if new.state in WRONG else new


def is_settled(entries: Iterable[Entry]) -> bool:
    """Whether nothing of a day can change by itself any more."""
    return not any(entry.state in ("waiting", "unknown") for entry in entries)
