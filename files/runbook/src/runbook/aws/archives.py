"""Archives of the functions: the same sources make the same bytes, so that an unchanged function is not deployed."""

import json
import sys
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from harvester.base.aws_names import FUNCTIONS
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import MARKETS, enter, zone
from harvester.calendar import TradingCalendar
from runbook.aws.trading_days import calendars_of, feed_file, sessions_file
from runbook.fleet.bundle import modules_of
from runbook.fleet.vendored import vendored_files

EPOCH = (1980, 1, 1, 0, 0, 0)
SHARED = ("machines.py", "market.py")
OF_FEED = ("ingestion", "etl")
"""Those of the price feed: their archives carry what is theirs, and the feed's symbols and days."""
FEED = "feed.py"
TELL_PEOPLE = ("reminder", "token-refresh")
"""Those whose channels may be Telegram or Slack: their archives carry apprise."""


def build(
    sources: Path,
    target: Path,
    calendars: Sequence[TradingCalendar],
    today: date,
    feed: Iterable[str] = (),
) -> dict[str, Path]:
    """Write `<target>/<name>.zip` for every function whose source is there; the paths by function name.

    Sessions begin with the month of `today`: a second run in that month makes the same bytes. `feed` has the tickers
    of the functions' price feed. Raises ConfigError for one whose segment has no hours.
    """
    days = _as_json(feed_file(calendars[0], feed, today.replace(day=1)))
    target.mkdir(parents=True, exist_ok=True)
    built = {}
    for name in FUNCTIONS:
        source = sources / f"{name.replace('-', '_')}.py"
        if source.exists():
            built[name] = target / f"{name}.zip"
            files = contents(source, sources, calendars, today.replace(day=1))
            if name in OF_FEED:
                shared = sources / FEED
                files |= {FEED: shared.read_bytes(), "feed.json": days, **modules_of(shared)}
            write_archive(built[name], files | (vendored_files() if name in TELL_PEOPLE else {}))
    return built


def contents(source: Path, sources: Path, calendars: Sequence[TradingCalendar], first: date) -> dict[str, bytes]:
    """The files of a function's archive by name; sessions from the day `first` on."""
    files = {name: (sources / name).read_bytes() for name in (source.name, *SHARED)}
    files |= modules_of(source)
    files["sessions.json"] = _as_json(sessions_file(calendars, first))
    return files


def _as_json(content: object) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    """A ZIP archive without anything of the moment or the machine in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[name])


def main(arguments: list[str]) -> None:
    """`python -m runbook.aws.archives SOURCES TARGET [CALENDAR]`: build; print the archives as JSON.

    Standard input has, as JSON, the "market" in whose time the functions think, the tickers of the fleet as "hosts", by
    the hours of whose segments it goes, and those of the functions' price feed as "feed". Raises ConfigError.
    """
    asked = json.loads(sys.stdin.read())
    market = MARKETS.get(asked["market"])
    if market is None:
        raise ConfigError(f"harvester_market is {asked['market']!r}. Write one of {', '.join(MARKETS)}.")
    enter(market.name)
    calendar = TradingCalendar.load(Path(arguments[2]) if len(arguments) > 2 and arguments[2] else None)
    feed = asked["feed"]
    calendars = calendars_of(calendar, [*asked["hosts"], *feed])
    today = datetime.now(zone()).date()
    built = build(Path(arguments[0]), Path(arguments[1]), calendars, today, feed)
    until = sessions_file(calendars, today.replace(day=1))["known_until"]
    print(json.dumps({"archives": {name: str(path) for name, path in built.items()}, "known_until": until}))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HarvesterError as error:
        sys.exit(str(error))
