"""The members of indices, as NSE publishes them, in one file beside an inventory's hosts.

A list is a CSV of NSE Indices with the columns Company Name, Industry, Symbol, Series and ISIN Code, at
nsearchives.nseindia.com/content/indices/ind_nifty50list.csv; the same files are at www.niftyindices.com under
"download constituents". Form and addresses are known from public programs that read them. It names no day, and is
changed twice a year, at the end of March and of September, and where a company is merged or renamed.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from msgspec import to_builtins
from msgspec.structs import replace

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import replace_file
from harvester.base.release import USER_AGENT
from harvester.base.validation import Refused, validate
from harvester.config.rules import MEMBERS, IndexList
from harvester.config.settings import Settings
from runbook.fleet.calendar import path_beside

FILE = "index_lists.json"
VARIABLE = "harvester_index_lists_file"
SITE = "https://nsearchives.nseindia.com/content/indices"
COLUMNS = SYMBOL, SERIES, ISIN = "Symbol", "Series", "ISIN Code"
SECONDS, LIMIT = 20.0, 1 << 20
BY_HAND = (
    "Save the list from www.niftyindices.com (the index's page, download constituents) and run"
    " ./inv index-update 'NAME' --source FILE."
)


class MemberChange(NamedTuple):
    """One difference between the list that is in force and the new one."""

    sign: str
    """"+" for what is new, "-" for what goes, "~" for a member that has another symbol."""
    isin: str
    name: str


def lists_beside(sources: Iterable[str]) -> str:
    """The file of the first of Ansible's inventory sources that has one; empty: there is none."""
    for source in map(Path, sources):
        found = (source if source.is_dir() else source.parent) / FILE
        if found.is_file():
            return str(found)
    return ""


def path_of(root: Path, inventory: str | None, stated: str | None) -> Path:
    """The file of an inventory, which need not be there: the one that it states, else the one beside its hosts."""
    return root / stated if stated else path_beside(root, inventory).with_name(FILE)


def with_lists(settings: Settings, lists: Iterable[IndexList]) -> Settings:
    """The settings as a deployment makes them: with the inventory's lists, where they have none of their own."""
    return settings if settings.index_lists or not settings.rules else replace(settings, index_lists=tuple(lists))


def address_of(index: str) -> str:
    """Where NSE publishes the list of most indices: ind_niftynext50list.csv of NIFTY NEXT 50."""
    return f"{SITE}/ind_{index.lower().replace(' ', '')}list.csv"


def fetch(index: str, source: str | None, today: date) -> IndexList:
    """The list at an address or in a file; by default NSE's. Raises HarvesterError with what to do."""
    origin = source or address_of(index)
    content = _download(origin) if "://" in origin else _read(Path(origin).expanduser())
    members = dict(_members(content, origin))
    made = {"index": index, "date": today.isoformat(), "source": origin, "members": members}
    try:
        found = validate(IndexList, made)
    except Refused as refused:
        raise ConfigError(f"{origin}: the list of {index!r} is refused:\n{refused}\n{BY_HAND}") from None
    count = MEMBERS.search(index)
    if count and len(members) < int(count[1]):
        raise ConfigError(
            f"{origin}: the list has {len(members)} members, fewer than the name {index} says, so some are missing."
            f" Try again later. {BY_HAND}"
        )
    return found


def _download(url: str) -> str:
    import httpx  # large, and every task imports what is beside it

    try:
        answer = httpx.get(url, headers={"User-Agent": USER_AGENT}, timeout=SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        raise HarvesterError(f"{url}: no answer ({type(error).__name__}). {BY_HAND}") from error
    if answer.status_code != httpx.codes.OK or len(answer.content) > LIMIT:
        raise HarvesterError(f"{url}: refused with HTTP {answer.status_code}. {BY_HAND}")
    return answer.content.decode("utf-8-sig", errors="replace")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error


def _members(text: str, source: str) -> Iterator[tuple[str, str]]:
    """Symbol and series by ISIN; columns are found by their names. Raises ConfigError, naming the line."""
    rows = csv.reader(text.splitlines())
    head = [cell.strip() for cell in next(rows, [])]
    if not set(COLUMNS) <= set(head):
        raise ConfigError(f"{source}: not a list of members: its first line lacks {', '.join(COLUMNS)}. {BY_HAND}")
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        cells = {name: cell.strip() for name, cell in zip(head, row, strict=False)}
        symbol, series, isin = (cells.get(name, "") for name in COLUMNS)
        if not (symbol and series and isin) or isin in seen or len(row) != len(head):
            what = "names an ISIN a second time" if isin in seen else "is not whole"
            raise ConfigError(f"{source}: line {number} {what}. {BY_HAND}")
        seen.add(isin)
        yield isin, f"{symbol}-{series}"


def current(path: Path) -> list[IndexList]:
    """The lists in a file; none where there is no file. Raises ConfigError."""
    try:
        return [validate(IndexList, each) for each in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:  # Refused is a ValueError
        raise ConfigError(f"{path}: the lists of index members cannot be read:\n{error}") from error


def compare(lists: Sequence[IndexList], new: IndexList) -> list[MemberChange]:
    """What the new list has that the one in force has not, and the other way round. Raises ConfigError for half."""
    old = next((each.members for each in lists if each.index == new.index), {})
    if 2 * len(new.members) <= len(old):
        raise ConfigError(
            f"{new.source}: the list of {new.index} has {len(new.members)} members and had {len(old)}, so it is cut."
            f" Nothing was changed. {BY_HAND}"
        )
    gone = [MemberChange("-", isin, name) for isin, name in old.items() if isin not in new.members]
    come = [MemberChange("+", isin, name) for isin, name in new.members.items() if isin not in old]
    other = [
        MemberChange("~", isin, f"{old[isin]} is {name} now")
        for isin, name in new.members.items() if old.get(isin, name) != name
    ]  # fmt: skip
    return [*gone, *come, *other]


def write(path: Path, lists: Sequence[IndexList], new: IndexList) -> None:
    """Put the new list into the file, a line for each index. Raises ConfigError when it cannot be written."""
    kept = [*(each for each in lists if each.index != new.index), new]
    lines = ",\n".join(json.dumps(to_builtins(each)) for each in sorted(kept, key=lambda one: one.index))
    try:
        replace_file(path, f"[\n{lines}\n]\n", 0o644)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}).") from error
