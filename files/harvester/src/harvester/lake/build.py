"""Building one day: from its segments to the files of the lake, each read back and compared."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.errors import HarvesterError
from harvester.base.files import is_still
from harvester.lake.certificate.balance import check_day
from harvester.lake.certificate.damage import certify_damage
from harvester.lake.certificate.day import certify_day, encode_certificate
from harvester.lake.certificate.streams import Json
from harvester.lake.day.model import Day, Expectation
from harvester.lake.explained import Explanation
from harvester.lake.instruments import find_instruments, make_instruments
from harvester.lake.layout import CERTIFICATE, INSTRUMENTS, RAW, SESSIONS, folder_of
from harvester.lake.manifest import FileEntry, Manifest, describe_file
from harvester.lake.publish.archive import Form, archive_path, archive_segment
from harvester.lake.publish.files import Names, place, temporary_for
from harvester.lake.sessions import make_sessions
from harvester.lake.tables import part_files
from harvester.lake.tables.prepared import Prepared
from harvester.lake.writing import write_tables

SO_FAR = "so_far_until_ns"
"""In the certificate of a day that is not over."""


def build_day(
    lake: Path,
    day: Day,
    expectation: Expectation,
    names: Names,
    before: Manifest | None,
    prepared: Prepared,
    *,
    release: str,
    form: Form | None,
    explanation: Explanation,
    so_far_ns: int | None = None,
) -> tuple[list[FileEntry], Json]:
    """Archive the segments, write tables, gap ledger and certificate; the entries of all files, and the certificate.

    `before` is the manifest in force so far, `prepared` what was done while the day ran; without a `form` no segment is
    archived. `so_far_ns` is until when the day was recorded, where it is not over. The caller holds the lake. Raises
    HarvesterError when a file that is read back is not what was written, or when data and gaps together are not what
    was expected.
    """
    archived = _archive(lake, day, form, prepared) if form else []
    written = write_tables(lake, day, expectation.grace_ns, names, explanation, prepared)
    former = next((lake / entry.path for entry in (before.find(INSTRUMENTS) if before else ())), None)
    found = {
        INSTRUMENTS: make_instruments(find_instruments(day, written.named, expectation.masters, former)),
        SESSIONS: make_sessions(day, expectation),
    }
    described = [_write(lake, day, kind, table, names) for kind, table in found.items()]
    files = [*written.files, *described, *archived]
    damage = certify_damage(day.events.damage, written.damaged, explanation.text)
    certificate = certify_day(day, release, written, damage)
    if so_far_ns is not None:
        certificate |= {SO_FAR: so_far_ns}
    flaws = check_day(lake, certificate, files)
    if flaws:
        raise HarvesterError(
            f"{certificate['date']}: data and gaps are not what was expected: {'; '.join(flaws[:5])}. The day is not"
            " closed, and the journal keeps everything; report this as a defect, with the journal of the day."
        )
    temporary = temporary_for(lake, day.partition, CERTIFICATE)
    temporary.write_bytes(encode_certificate(certificate))
    return [*files, place(lake, temporary, len(written.symbols), names)], certificate


def _write(lake: Path, day: Day, kind: str, table: pa.Table, names: Names) -> FileEntry:
    """A small table, written and read back."""
    temporary = temporary_for(lake, day.partition, folder_of(kind))
    pq.write_table(table, temporary, compression="zstd")
    if not pq.read_table(temporary, partitioning=None).equals(table):
        raise HarvesterError(f"{temporary}: reading the file back gives other rows than were written.")
    return place(lake, temporary, table.num_rows, names)


def _archive(lake: Path, day: Day, form: Form, prepared: Prepared) -> list[FileEntry]:
    directory = lake / day.partition.path(RAW)
    folder = prepared.folder / part_files.RAW
    entries = []
    for source in (each for each in day.index.sources if not each.is_open):
        made, copy = archive_path(folder, source.name), source.copy
        is_proven = copy is not None and copy.name == made.name and is_still(made, copy.identity)
        path = archive_segment(source, directory, form, made, is_proven=is_proven)
        # Where the archive had a copy before, that one stays, and `made` is not moved.
        known = copy.sha256 if copy and is_proven and not made.exists() else ""
        entries.append(describe_file(lake, path, source.records, known))
    return entries
