"""Today as it is so far: the tables of what is sealed, in a folder of their own, never among closed days.

The tables, the gap ledger and the balance are those of a close, of windows that end a little before the last sealed
record: so long that each answer to a poll before is there. What is recorded later may still change them: a gap that
is noticed later begins earlier.
"""

import json
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.base.release import release_id
from harvester.journal.format import day_directory
from harvester.lake.build import build_day
from harvester.lake.day.earlier import find_earlier
from harvester.lake.day.model import Expectation, read_day
from harvester.lake.day.quarantine import find_kept
from harvester.lake.day.segments import find_sources, read_index
from harvester.lake.explained import Explanation
from harvester.lake.layout import RAW, SO_FAR_NAME, Partition
from harvester.lake.manifest import make_manifest, write_manifest
from harvester.lake.publish.files import Names, locked
from harvester.lake.tables.part_files import folder_of_day
from harvester.lake.tables.prepared import Prepared


def build_so_far(
    *, journal: Path, lake: Path, target: Path, partition: Partition, expectation: Expectation
) -> int | None:
    """Write the day so far into `target`, a folder that is new or empty; until when it goes, in wall ns.

    None where nothing is sealed yet. Raises HarvesterError, OSError.
    """
    if target.exists() and any(target.iterdir()):
        raise HarvesterError(f"{target} is not empty. Name a folder that is new, or empty this one.")
    sources = [
        source
        for source in find_sources(day_directory(journal, partition.date), lake / partition.path(RAW))
        if not source.is_open
    ]
    index = read_index(sources)
    lasts = [source.numbers.last.wall_ns for source in sources if source.numbers.last]
    until_ns = max(lasts, default=0) - expectation.grace_ns
    earlier = find_earlier(journal, lake, partition, index)
    day = read_day(partition, index, expectation, earlier, find_kept(journal, partition.date), until_ns)
    if not day.windows:
        return None
    for connection in day.events.connections:
        if connection.to_ns is None:
            connection.to_ns = max(lasts)  # nothing that is sealed says that it ended
    make_directory(target)
    with locked(target):
        files, _ = build_day(
            *(target, day, expectation, Names(1, {}), None, Prepared(folder_of_day(target, partition.date), "")),
            release=release_id(),
            form=None,
            explanation=Explanation("the day is not over"),
            so_far_ns=until_ns,
        )
        replace_file(target / SO_FAR_NAME, json.dumps({"date": partition.date.isoformat(), "until_ns": until_ns}))
        write_manifest(target, partition, make_manifest(partition, 1, files, ()))
    return until_ns
