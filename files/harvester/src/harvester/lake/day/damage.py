"""What is wrong with a day's journal: one kind of entry for all of it, found by what is there and by the numbers.

`seq` counts the records of a run without a hole, so records of which nothing is left are counted, too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from harvester.lake.day.numbers import Edge, Hole
from harvester.lake.day.quarantine import Kept
from harvester.lake.day.segments import DayIndex, Source, Unreadable

DamageKind = Literal[
    "corrupt",  # bytes inside a segment that are no record
    "cut_short",  # a sealed segment that does not end with its seal
    "missing",  # numbers of a run that are in no segment here
    "empty",  # a segment without any record
    "torn_tail",  # what a dying run was writing; recovery has cut it off
    "malformed",  # control records that cannot be interpreted
    "repeated",  # records whose number was used before
    "quarantined",  # a file that recovery has set aside
    "undecoded",  # recorded, and not become rows
]


class Damage(NamedTuple):
    """One thing that is wrong. Times are wall ns, of the records on both sides; None: no record of the run is there."""

    kind: DamageKind
    where: str
    """Segment, file in quarantine, or feed."""
    records: int | None
    """Lost, or concerned where none is lost; None: nobody can know."""
    from_ns: int | None = None
    to_ns: int | None = None
    bytes: int = 0
    run_id: str = ""
    detail: str = ""
    kept: str = ""
    """Name in the journal's quarantine."""
    loses: bool = False
    """Whether records of between `from_ns` and `to_ns` are lost: what is not there then is not there for this."""

    @property
    def cause(self) -> str:
        """The detail of the gaps that it makes."""
        return f"{self.kind.replace('_', ' ')}: {self.where}"


def find_damage(
    index: DayIndex,
    malformed: Sequence[Unreadable],
    kept: Sequence[Kept],
    begun: Mapping[str, int | None],
    stopped: frozenset[str],
) -> list[Damage]:
    """Everything, by time. `malformed`: control records that were not interpreted. `stopped`: runs that ended in order.

    `begun`: the last number of each run in segments of earlier days, None where those are known to be elsewhere.
    """
    runs: dict[str, list[Source]] = {}
    empty = [source for source in index.sources if not source.records and not source.is_open]
    for source in index.sources:
        if source.numbers.first and not _is_copy(source):
            runs.setdefault(source.run_id, []).append(source)
    found = [each for source in index.sources for each in _inside(source)]
    excused = {*begun, *(index.sources[number].run_id for number in _lossy(index))}
    for run_id, sources in runs.items():
        chain = _Chain(sorted(sources, key=_first), [one for one in empty if _process(one) == _process(sources[0])])
        losses = list(chain.find(run_id in begun, begun.get(run_id) or 0, run_id in stopped))
        excused |= {run_id} if losses else set()
        found += losses
        empty = [source for source in empty if source not in chain.named]
    whole = {_process(source) for run_id in runs if run_id not in excused for source in runs[run_id]}
    found += [
        _lost("empty", source.name, 0 if _process(source) in whole else None, Edge(0, _begun_ns(source)), None)
        for source in empty
    ]
    found += _torn(index, found)
    found += _malformed(index, [each for each in malformed if not (each.is_end and _run(index, each) in excused)])
    found = [_with_quarantine(each, kept) for each in found]
    named = {each.kept for each in found}
    found += [
        Damage("quarantined", each.name, None, each.begun_ns, None, each.bytes, kept=each.name)
        for each in kept
        if each.name not in named
    ]
    return sorted(found, key=lambda each: (each.from_ns or 0, each.where, each.kind))


def _run(index: DayIndex, control: Unreadable) -> str:
    return index.sources[control.source].run_id


def _lossy(index: DayIndex) -> list[int]:
    """Numbers of the segments in which records are lost."""
    return [number for number, source in enumerate(index.sources) if any(each.loses for each in _inside(source))]


def _lost(
    kind: DamageKind, where: str, records: int | None, before: Edge | None, after: Edge | None, size: int = 0
) -> Damage:
    begin, end = before and before.wall_ns, after and after.wall_ns
    return Damage(kind, where, records, begin, end, size, loses=records != 0)


def _between(before: Edge, after: Edge) -> int:
    return after.seq - before.seq - 1


def _first(source: Source) -> int:
    return source.numbers.first.seq if source.numbers.first else 0


def _process(source: Source) -> str:
    return source.name.partition("-")[2]


def _begun_ns(source: Source) -> int:
    begun = source.name.partition("-")[0]
    return int(begun) if begun.isdecimal() else 0


def _is_copy(source: Source) -> bool:
    """Whether other segments have all of its records."""
    return bool(source.numbers.skipped) and not source.data_records and _skipped(source) == source.records


def _skipped(source: Source) -> int:
    return sum(last - first + 1 for first, last in source.numbers.skipped)


def _inside(source: Source) -> Iterator[Damage]:
    """What is wrong between two records of one segment, and records that come twice."""
    if repeated := source.repeated + _skipped(source):
        at = source.numbers
        yield Damage("repeated", source.name, repeated, at.first and at.first.wall_ns, at.last and at.last.wall_ns)
    if _is_copy(source):
        return
    for hole in source.numbers.holes:
        if hole.before and hole.after:
            lost = _between(hole.before, hole.after)
            kind: DamageKind = "corrupt" if hole.end > hole.start else "missing"
            if lost or not source.repeated:
                yield _lost(kind, source.name, lost, hole.before, hole.after, hole.end - hole.start)


class _Chain:
    """The segments of one run by number: what is lost before, between and after them."""

    def __init__(self, sources: list[Source], empty: list[Source]) -> None:
        self._sources = sources
        self._empty = empty
        self.named: list[Source] = []
        """Empty segments that stand for what is missing."""

    def find(self, is_continued: bool, last_number: int, is_stopped: bool) -> Iterator[Damage]:
        """`is_continued`: the run began on an earlier day, whose segments end with `last_number`; 0: unknown."""
        first, last = self._sources[0], self._sources[-1]
        begin = first.numbers.first
        if begin and begin.seq > last_number + 1 and (last_number or not is_continued):
            yield self._join(None, first, begin.seq - 1 - last_number)
        for before, after in zip(self._sources, self._sources[1:], strict=False):
            ended, begun = before.numbers.last, after.numbers.first
            if ended and begun and _between(ended, begun) > 0:
                yield self._join(before, after, _between(ended, begun))
        if not last.numbers.sealed and not last.is_open:
            yield _lost("cut_short", last.name, None, last.numbers.last, None, _size(_tail(last)))
        elif not is_stopped and (empty := self._empty_between(last, None)):
            yield _lost("empty", _names(empty), None, last.numbers.last, None)

    def _join(self, before: Source | None, after: Source, lost: int) -> Damage:
        """What stands for the numbers that are missing between two segments."""
        edges = before.numbers.last if before else None, after.numbers.first
        if before and not before.numbers.sealed:
            return _lost("cut_short", before.name, lost, *edges, _size(_tail(before)))
        if head := [hole for hole in after.numbers.holes if hole.before is None and hole.end > 0]:
            return _lost("corrupt", after.name, lost, *edges, _size(head))
        if empty := self._empty_between(before, after):
            return _lost("empty", _names(empty), lost, *edges)
        where = f"between {before.name} and {after.name}" if before else f"before {after.name}"
        return _lost("missing", where, lost, *edges)

    def _empty_between(self, before: Source | None, after: Source | None) -> list[Source]:
        found = [
            source
            for source in self._empty
            if (not before or _begun_ns(before) < _begun_ns(source))
            and (not after or _begun_ns(source) < _begun_ns(after))
        ]
        self.named += found
        return found


def _tail(source: Source) -> list[Hole]:
    return [hole for hole in source.numbers.holes if hole.after is None]


def _size(holes: list[Hole]) -> int:
    return sum(hole.end - hole.start for hole in holes)


def _names(sources: list[Source]) -> str:
    return ", ".join(source.name for source in sources)


def _torn(index: DayIndex, found: list[Damage]) -> Iterator[Damage]:
    """Ranges that recovery cut off; those still in their segments are among the found."""
    for control in index.controls:
        value = control.value
        if value["type"] != "damage" or not isinstance(value.get("bytes"), int):
            continue
        source = index.sources[control.source]
        if any((hole.start, hole.end) == (value.get("from"), value.get("to")) for hole in source.numbers.holes):
            continue
        begin = source.last_ns or control.wall_ns
        kept = f"{value.get('from')}-{value.get('to')}"
        yield Damage("torn_tail", source.name, None, begin, None, value["bytes"], source.run_id, kept)


def _malformed(index: DayIndex, malformed: Sequence[Unreadable]) -> Iterator[Damage]:
    by_source: dict[int, list[Unreadable]] = {}
    for each in (*index.odd_controls, *malformed):
        by_source.setdefault(each.source, []).append(each)
    for number, records in by_source.items():
        times = [each.wall_ns for each in records]
        kinds = Counter(each.kind or "without a type" for each in records)
        detail = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        name = index.sources[number].name
        yield Damage("malformed", name, len(records), min(times), max(times), detail=detail)


def _with_quarantine(damage: Damage, kept: Sequence[Kept]) -> Damage:
    """The same, with the name under which recovery keeps its bytes."""
    mine = [each for each in kept if each.segment == damage.where and each.range]
    if damage.kind == "torn_tail":
        names = [each.name for each in mine if each.range == damage.detail]
        return damage._replace(detail="", kept=names[0] if names else "")
    names = [each.name for each in mine if each.bytes == damage.bytes] if damage.kind == "corrupt" else []
    return damage._replace(kept=names[0]) if names else damage
