"""The one calendar file of an inventory: where it is, and what a new list of the exchange changes in it.

The list is that of nseindia.com (`api/holiday-master?type=trading`), fetched or saved from a browser; a whole calendar
file in our own format is taken as well. Its form is known from public programs that read it: CM, FO, CD and COM each
have rows with tradingDate (26-Jan-2026) and description.
"""

import configparser
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import replace_file
from harvester.base.market import MARKETS, NSE, MarketName, in_force, zone
from harvester.base.release import USER_AGENT
from harvester.base.validation import Refused, validate
from harvester.calendar.model import CalendarFile, packaged, read_calendar
from harvester.calendar.segments import OF_MARKET

FILE = "calendar.json"
VARIABLE = "harvester_calendar_file"
MARKET = "harvester_market"
SITE = "https://www.nseindia.com"
PAGE = f"{SITE}/resources/exchange-communication-holidays"
LIST = f"{SITE}/api/holiday-master?type=trading"
SECONDS = 20.0
LIMIT = 4 << 20
SEGMENTS = {"FO": "nse_fo", "CD": "nse_currency"}
"""Lists of the file that are of a segment of ours; CM is the top level, and segments that name no list of their own."""
FEWEST = 5
"""A year of which the list has fewer holidays is not published yet."""
MUHURAT, USUAL = "Laxmi Pujan", [["18:15:00", "19:15:00"]]
Data = dict[str, Any]


class Difference(NamedTuple):
    """One difference between the calendar that is in force and the new one."""

    sign: str
    """"+" for what is new, "-" for what goes."""
    segment: str
    day: str
    what: str
    source: str


def path_beside(root: Path, inventory: str | None) -> Path:
    """Where the calendar file of an inventory is, or would be: beside its hosts."""
    if inventory is None:
        settings = configparser.ConfigParser(interpolation=None)
        settings.read(root / "ansible.cfg")
        default = settings.get("defaults", "inventory", fallback="inventory/lab")
        inventory = os.environ.get("ANSIBLE_INVENTORY", default)
    place = root / inventory.split(",")[0]
    return (place if place.is_dir() else place.parent) / FILE


def calendar_beside(sources: Iterable[str]) -> str:
    """The calendar file of the first of Ansible's inventory sources that has one; empty: there is none."""
    for source in map(Path, sources):
        found = (source if source.is_dir() else source.parent) / FILE
        if found.is_file():
            return str(found)
    return ""


def path_of(root: Path, inventory: str | None, variables: Iterable[Mapping[str, Any]] = ()) -> Path | None:
    """The calendar file in force: what the inventory's variable names, else the one beside its hosts, if any."""
    named = next((str(each[VARIABLE]) for each in variables if each.get(VARIABLE)), "")
    if named:
        return root / named
    beside = path_beside(root, inventory)
    return beside if beside.is_file() else None


def market_of(path: Path | None, variables: Iterable[Mapping[str, Any]] = ()) -> MarketName:
    """The market that the inventory's variable names, else that of its calendar file, else NSE. Raises ConfigError."""
    named = next((str(each[MARKET]) for each in variables if each.get(MARKET)), "")
    if not named and path is not None:
        with suppress(OSError, ValueError, AttributeError):  # whoever needs it says what is wrong with it
            zone_name = json.loads(path.read_bytes()).get("timezone")
            named = next((market.name for market in MARKETS.values() if market.zone_name == zone_name), "")
    found = MARKETS.get(named or NSE.name)
    if found is None:
        raise ConfigError(f"{MARKET} is {named!r} in the inventory. Write one of {', '.join(MARKETS)}.")
    return found.name


def today() -> date:
    """The date in the market."""
    return datetime.now(zone()).date()


def fetch(source: str | None) -> Data:
    """The list at an address or in a file; by default that of the exchange. Raises HarvesterError with what to do."""
    if source is not None and "://" not in source:
        return _parse(_read(Path(source).expanduser()), source)
    import httpx  # large, and every task looks for its calendar here

    url = source or LIST
    client = httpx.Client(headers={"User-Agent": USER_AGENT, "Accept": "*/*"}, timeout=SECONDS, follow_redirects=True)
    try:
        with client:
            if source is None:
                client.get(PAGE)  # gives the cookies without which the list is refused
            answer = client.get(url)
    except httpx.HTTPError as error:
        raise HarvesterError(f"{url}: no answer ({type(error).__name__}). {BY_HAND}") from error
    if answer.status_code != httpx.codes.OK or len(answer.content) > LIMIT:
        raise HarvesterError(f"{url}: refused with HTTP {answer.status_code}. {BY_HAND}")
    return _parse(answer.content, url)


BY_HAND = f"Open {PAGE} and then {LIST} in a browser, save what it shows, and run ./inv calendar-update --source FILE."


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error


def _parse(content: bytes, source: str) -> Data:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not JSON, so not the exchange's list. {BY_HAND}") from error
    if not isinstance(found, dict) or not ("phase_rules" in found or isinstance(found.get("CM"), list)):
        raise ConfigError(f"{source}: neither the exchange's list (no CM) nor a calendar (no phase_rules). {BY_HAND}")
    return found


def current(path: Path | None) -> Data:
    """The calendar that is in force, as data; of the package where there is no file. Raises ConfigError."""
    read_calendar(path or packaged())
    found: Data = json.loads((path or packaged()).read_bytes())
    return found


def propose(now: Data, found: Data, source: str, today: date) -> Data:
    """The calendar with what was found; a whole calendar replaces the one in force, but for segments if it has none.

    Of the list's years, holidays that it has are added, and future ones that it lacks go. Raises ConfigError for rows
    that are not understood, and for a calendar that is refused.
    """
    new = deepcopy(found if "phase_rules" in found else now)
    if "phase_rules" not in found:
        reference = f"NSE list of trading holidays, {source}, seen {today.isoformat()}"
        _merge(new, found["CM"], reference, today, source)
        for key, segment in SEGMENTS.items():
            part = new.get("segments", {}).get(segment)
            listed = found.get(key)
            if part is not None and isinstance(listed, list) and _differs(new, part, listed, source):
                part.setdefault("holidays", deepcopy(new["holidays"]))
                part.setdefault("special_sessions", deepcopy(new["special_sessions"]))
                _merge(part, listed, reference, today, source)
        years = [year for year in _years(_days(found["CM"], source)) if year >= int(new["valid_until"][:4])]
        if years:
            new["valid_until"] = f"{max(years)}-12-31"
    if "segments" in now:
        new.setdefault("segments", deepcopy(now["segments"]))
    try:
        validate(CalendarFile, new)
    except Refused as refused:
        raise ConfigError(f"{source}: the calendar would be refused:\n{refused}") from None
    return new


def _differs(new: Data, part: Data, listed: list[Any], source: str) -> bool:
    """Whether a segment's own list says something else than the days it has, which may be those of the top level."""
    days = _days(listed, source)
    rows: list[Data] = part["holidays"] if "holidays" in part else new["holidays"]
    known = {row["date"] for row in rows}
    of_years = {day for day in known if int(day[:4]) in _years(days)}
    return {day.isoformat() for day in days} != of_years


def _merge(part: Data, rows: list[Any], reference: str, today: date, source: str) -> None:
    days = _days(rows, source)
    years = _years(days)
    known = {row["date"]: row for row in part.setdefault("holidays", [])}
    for day, name in days.items():
        if day.year in years:
            known.setdefault(day.isoformat(), {"date": day.isoformat(), "name": name, "reference": reference})
    gone = {
        text for text in known
        if (day := date.fromisoformat(text)) > today and day.year in years and day not in days
    }  # fmt: skip
    part["holidays"] = [row for text, row in sorted(known.items()) if text not in gone]
    specials = {row["date"] for row in part.setdefault("special_sessions", [])}
    part["special_sessions"] += [
        {
            "date": day.isoformat(), "kind": "muhurat", "phases": {"continuous": USUAL}, "status": "provisional",
            "reference": f"{reference}; window the usual one until its circular",
        }
        for day, name in days.items()
        if MUHURAT in name and day > today and day.isoformat() not in specials
    ]  # fmt: skip
    part["special_sessions"].sort(key=lambda row: row["date"])


def _days(rows: list[Any], source: str) -> dict[date, str]:
    """Holidays by date. Raises ConfigError naming the row that is not understood."""
    days: dict[date, str] = {}
    for number, row in enumerate(rows, start=1):
        try:
            day = datetime.strptime(str(row["tradingDate"]).strip(), "%d-%b-%Y").replace(tzinfo=UTC).date()
            days[day] = str(row["description"]).replace("*", "").strip()
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"{source}: row {number} has no tradingDate such as 26-Jan-2026. {BY_HAND}") from None
    return days


def _years(days: Iterable[date]) -> set[int]:
    """Years of which the list has so many holidays that it is theirs."""
    counted = [day.year for day in days]
    return {year for year in counted if counted.count(year) >= FEWEST}


def compare(now: Data, new: Data) -> Iterator[Difference]:
    """What the new calendar has that the one in force has not, and the other way round."""
    main = OF_MARKET[in_force().name][0]
    names: list[str] = sorted({*now.get("segments", {}), *new.get("segments", {})})
    for segment in ("", *names):
        before = now if not segment else now.get("segments", {}).get(segment, {})
        after = new if not segment else new.get("segments", {}).get(segment, {})
        for key in ("phase_rules", "holidays", "special_sessions"):
            old, rows = _named(before.get(key)), _named(after.get(key))
            for sign, here, there in (("-", old, rows), ("+", rows, old)):
                for text, row in here.items():
                    if text not in there:
                        yield Difference(sign, segment or main, row[0], row[1], row[2])
    if now["valid_until"] != new["valid_until"]:
        yield Difference("+", "", new["valid_until"], f"the facts end here (before: {now['valid_until']})", "")


def _named(rows: list[Data] | None) -> dict[str, tuple[str, str, str]]:
    """By what makes a row itself: its date, what it is, and its source."""
    found = {}
    for row in rows or ():
        what = row.get("name") or f"{row.get('kind', 'hours')} " + " ".join(
            f"{phase} {'-'.join(text[:5] for text in window)}"
            for phase, windows in row["phases"].items() for window in windows
        )  # fmt: skip
        day = row.get("date") or f"{row['from']} on"
        found[f"{day} {'' if row.get('name') else what}"] = (day, what, row["reference"])
    return found


def write(path: Path, new: Data) -> None:
    """Write the file, a line for each fact. Raises ConfigError when it cannot be written."""
    try:
        replace_file(path, encode(new), 0o644)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}).") from error


def encode(new: Data) -> str:
    """The file's text: rows on lines of their own, so that two versions differ by lines."""
    return "{\n" + ",\n".join(_lines(new, "  ")) + "\n}\n"


def _lines(part: Data, indent: str) -> Iterator[str]:
    for key, value in part.items():
        name = f"{indent}{json.dumps(key)}: "
        if isinstance(value, list) and value:
            rows = ",\n".join(f"{indent}  {json.dumps(row, ensure_ascii=False)}" for row in value)
            yield f"{name}[\n{rows}\n{indent}]"
        elif key == "segments":
            parts = [
                f"{indent}  {json.dumps(segment)}: {{\n" + ",\n".join(_lines(days, f"{indent}    ")) + f"\n{indent}  }}"
                for segment, days in value.items()
            ]
            yield f"{name}{{\n" + ",\n".join(parts) + f"\n{indent}}}"
        else:
            yield f"{name}{json.dumps(value, ensure_ascii=False)}"
