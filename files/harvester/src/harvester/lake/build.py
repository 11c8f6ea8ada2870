"""Building one day: from its segments to the files of the lake, each read back and compared."""

from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.lake.certificate.balance import check_day
from harvester.lake.certificate.damage import certify_damage
from harvester.lake.certificate.day import certify_day, encode_certificate
from harvester.lake.certificate.streams import Json
from harvester.lake.day.model import Day, Expectation
from harvester.lake.explained import Explanation
from harvester.lake.layout import CERTIFICATE, RAW
from harvester.lake.manifest import FileEntry, describe_file
from harvester.lake.publish.archive import Form, archive_segment
from harvester.lake.publish.files import Names, place, temporary_for
from harvester.lake.writing import write_tables


def build_day(
    lake: Path,
    day: Day,
    expectation: Expectation,
    names: Names,
    *,
    release: str,
    form: Form,
    explanation: Explanation,
) -> tuple[list[FileEntry], Json]:
    """Archive the segments, write tables, gap ledger and certificate; the entries of all files, and the certificate.

    The caller holds the lake. Raises HarvesterError when a file that is read back is not what was written, or when
    data and gaps together are not what was expected.
    """
    archived = _archive(lake, day, form)
    written = write_tables(lake, day, expectation.grace_ns, names, explanation)
    files = [*written.files, *archived]
    damage = certify_damage(day.events.damage, written.damaged, explanation.text)
    certificate = certify_day(day, release, written.symbols, written.streams, damage)
    flaws = check_day(lake, certificate, files)
    if flaws:
        raise HarvesterError(
            f"{certificate['date']}: data and gaps are not what was expected: {'; '.join(flaws[:5])}. The day is not"
            " closed, and the journal keeps everything; report this as a defect, with the journal of the day."
        )
    temporary = temporary_for(lake, day.partition, CERTIFICATE)
    temporary.write_bytes(encode_certificate(certificate))
    return [*files, place(lake, temporary, len(written.symbols), names)], certificate


def _archive(lake: Path, day: Day, form: Form) -> list[FileEntry]:
    directory = lake / day.partition.path(RAW)
    return [
        describe_file(lake, archive_segment(source, directory, form), source.records)
        for source in day.index.sources
        if not source.is_open
    ]
