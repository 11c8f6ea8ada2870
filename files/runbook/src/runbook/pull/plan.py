"""What a pull has to download: which days, symbols and files."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from harvester.base.clock import parse_date
from harvester.base.errors import ConfigError
from harvester.lake.layout import RAW
from harvester.lake.manifest import FileEntry
from runbook.pull.manifests import DayManifest, kind_of


@dataclass(frozen=True)
class Selection:
    """Which days, both ends included (None: no limit), and whether the raw journal segments come, too."""

    since: date | None = None
    until: date | None = None
    raw: bool = False

    def includes(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    def files(self, manifest: DayManifest) -> list[FileEntry]:
        """The manifest's files that this selection wants."""
        return [file for file in manifest.files if self.raw or kind_of(file) != RAW]


def parse_selection(since: str | None, until: str | None, *, raw: bool) -> Selection:
    """A Selection from what a person typed; ConfigError for a date that is none or a range turned round."""
    first = parse_date(since, "--since") if since else None
    last = parse_date(until, "--until") if until else None
    if first and last and first > last:
        raise ConfigError(f"--since {first} is after --until {last}, so no day is left. Exchange them.")
    return Selection(first, last, raw)


def parse_symbols(text: str | None) -> tuple[str, ...]:
    """Symbols from a comma-separated list; blanks are ignored, doubles kept once, order kept."""
    names = (name.strip().upper() for name in (text or "").split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def bytes_wanted(files: Iterable[FileEntry]) -> int:
    """Size of these files; a content wanted under two paths is counted twice, for it is fetched twice."""
    return sum(file.bytes for file in files)
