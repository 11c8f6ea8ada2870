"""The log of a backup: what the runs that made it said, beside its dump; it is whole before its manifest is there."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.base.redaction import one_line
from harvester.database.manifests import Kind, log_path

MOST_BYTES = 64 << 10
"""Of runs that failed again and again, the oldest lines go."""
LINE_CHARACTERS = 2000


@dataclass(frozen=True)
class BackupLog:
    """A file of lines, each with its time in UTC; secrets are masked."""

    path: Path

    def say(self, text: object) -> None:
        """Add a line. Raises HarvesterError where it cannot be written."""
        line = f"{datetime.now(UTC).isoformat(timespec='seconds')} {one_line(text, LINE_CHARACTERS)}\n"
        try:
            make_directory(self.path.parent)
            before = self.path.read_bytes() if self.path.exists() else b""
            replace_file(self.path, _newest(before + line.encode()), 0o640)
        except OSError as error:
            raise HarvesterError(
                f"{self.path}: the backup's log cannot be written ({error.strerror}). Make room there, or correct the"
                " folder's owner, and run it again."
            ) from error


@contextlib.contextmanager
def kept_log(folder: Path, kind: Kind, day: date) -> Iterator[BackupLog]:
    """The log of a backup while it is made; what it fails with is the last line of the run."""
    log = BackupLog(folder / log_path(kind, day))
    try:
        yield log
    except (HarvesterError, OSError) as error:
        with contextlib.suppress(HarvesterError):  # the error itself is told by who runs this
            log.say(f"failed: {error}")
        raise


def _newest(content: bytes) -> bytes:
    """The last lines of it, so many as may be kept."""
    if len(content) <= MOST_BYTES:
        return content
    return content[-MOST_BYTES:].partition(b"\n")[2]
