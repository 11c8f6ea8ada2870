"""The order of a day's segments: that of the journal, told by the numbers of its records, whatever the wall clock did.

Within a run records count up. Runs of one boot are told apart by the monotonic clock, boots by the wall clock alone.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from harvester.journal.reader import RecordStream, control_of, open_segment


class Begin(NamedTuple):
    """The first record of a segment; run and boot are empty where its head is damaged."""

    seq: int
    mono_ns: int
    run_id: str = ""
    boot_id: str = ""


def read_begin(path: Path) -> Begin:
    """How a segment begins; numbers of 0 where it has no record, or cannot be read."""
    with suppress(OSError), closing(open_segment(path)) as file:
        for _, record in RecordStream(file):
            head = control_of(record, "segment") or {}
            return Begin(record.seq, record.mono_ns, str(head.get("run_id", "")), str(head.get("boot_id", "")))
    return Begin(0, 0)


def in_order(paths: Sequence[Path]) -> list[Path]:
    """The segments in the order in which they were written; `paths` are by name, which begins with the wall clock.

    One whose head is damaged is of the run of its process's segment before; one without a record comes right after it,
    for it says nothing of when its run began.
    """
    begins: list[Begin] = []
    heads: dict[str, Begin] = {}
    for path in paths:
        begin, process = read_begin(path), _process(path)
        known = heads.get(process)
        if not begin.run_id and known:
            begin = begin._replace(run_id=known.run_id, boot_id=known.boot_id) if begin.seq else known
        heads[process] = begin if begin.run_id else heads.get(process, begin)
        begins.append(begin)
    boots: dict[str, int] = {}
    runs: dict[str, int] = {}
    for place, begin in enumerate(begins):
        if begin.run_id:
            boots.setdefault(begin.boot_id, place)
            runs[begin.run_id] = min(runs.get(begin.run_id, begin.mono_ns), begin.mono_ns)

    def key(place: int) -> tuple[int, int, str, int, int]:
        begin = begins[place]
        boot = boots[begin.boot_id] if begin.run_id else place
        return boot, runs.get(begin.run_id, 0), begin.run_id, begin.seq if begin.run_id else 0, place

    return [paths[place] for place in sorted(range(len(paths)), key=key)]


def _process(path: Path) -> str:
    return path.name.split(".", 1)[0].partition("-")[2]
