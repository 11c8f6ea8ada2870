"""What a pulled lake holds, as the reader sees it: the days, their symbols, the files of their tables."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.base.market import Market
from harvester.lake.certificate.damage import tell_damage
from harvester.lake.manifest import DamagedManifestError
from harvester.reader import open_lake
from harvester.reader.arguments import say
from harvester.reader.days import Day
from harvester.reader.errors import NotALakeError, UnknownSymbolError
from harvester.reader.symbols import find

SYMBOLS = "`./inv query 'select distinct symbol from certificate'`"


def load_days(lake: Path, *, since: date | None = None, until: date | None = None) -> list[Day]:
    """The days here, oldest first, by date and host; none where there is no lake. Raises ReaderError."""
    try:
        here = open_lake(lake)
    except NotALakeError:
        return []
    dates = [day for day in here.days() if not (since and day < since) and not (until and until < day)]
    return [day for each in dates for day in here.on(each)]


def load_history(lake: Path, *, since: date | None = None, until: date | None = None) -> list[Day]:
    """The days of which a backfill brought the broker's bars. Raises ReaderError."""
    try:
        found = open_lake(lake).history()
    except NotALakeError:
        return []
    return [day for day in found if not (since and day.date < since) and not (until and until < day.date)]


def damaged_manifest(error: DamagedManifestError) -> str:
    """The message where the lake was pulled to."""
    return f"{error.what} `./inv pull-data` downloads it again."


def require_days(lake: Path, days: list[Day]) -> list[Day]:
    """The same days; where there is none, ConfigError, or NotALakeError which says what the folder is."""
    if not days:
        raise ConfigError(
            f"{lake} holds no closed day of that range: it has {say(open_lake(lake).days())}. Ask for some of these, or"
            " name another lake with --lake."
        )
    return days


Files = dict[tuple[int, Market], dict[str, list[Path]]]
"""The files of each table by its name, by the version of their schema and the market."""


def files_of(days: Iterable[Day], tables: Sequence[str]) -> Files:
    """The files of these tables. Raises ReaderError."""
    found: Files = {}
    for day, logical in [(day, logical) for day in days for logical in tables]:
        for table in day.tables(logical):
            files = found.setdefault((day.manifest.schema, day.market), {}).setdefault(table.source.kind, [])
            files += {Path(day.place.root, table.path)} - {*files}
    return found


def damage_of(day: Day) -> list[str]:
    """What is wrong with the journal that a day was built from, in sentences."""
    return tell_damage(day.certificate) if "journal" in day.certificate else []


def known_symbols(days: Iterable[Day]) -> list[str]:
    """Every symbol that a certificate of these days names, sorted."""
    return sorted({symbol for day in days for symbol in day.segments})


def find_symbols(wanted: Iterable[str], days: Sequence[Day], lake: Sequence[Day]) -> list[str]:
    """The tickers that these have on the days, by any name that fits one alone; renames are followed through the lake.

    Raises ConfigError for a name that the days do not have.
    """
    try:
        found = [find(name, days, lake) for name in wanted] if days else []
    except UnknownSymbolError as error:
        raise ConfigError(f"{error.what} {SYMBOLS} lists what is here.") from None
    return sorted({ticker for tickers in found for ticker in tickers.values()})
