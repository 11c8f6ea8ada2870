"""The table of docs/remedies.md, and how a printed remedy is found and taken apart."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.commands.remedies.sayings import GAP, plain

RUN = re.compile(
    r"(?:\./inv|harvester) (?:config [a-z]+|[a-z][a-z-]*)"
    r"(?: '[^']*'| --(?:name|unit) [a-z-]+| --[a-z-]+(?: (?=\S*[A-Z0-9/])[\w./:-]*\w)?)*"
)
"""A command of ours with its options; what follows an option is its value where it looks like one."""


class Row(NamedTuple):
    """A remedy: the file that says it, what happened, its text with … for what is filled in, and who follows it."""

    file: str
    happened: str
    remedy: str
    followed: str


@cache
def rows(root: Path) -> list[Row]:
    """Every row of the document."""
    text = (root / "docs/remedies.md").read_text("utf-8")
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return [
        Row(file.strip(" `"), what.strip(), plain(remedy.replace("\\|", "|")), by.strip(" `"))
        for file, what, remedy, by in cells
    ]


def pattern(remedy: str) -> re.Pattern[str]:
    """What finds the remedy where it was printed."""
    return re.compile(".{1,400}?".join(map(re.escape, remedy.split(GAP))))


def printed(remedy: str, said: str) -> str:
    """The remedy as a person reads it; fails where it was not said."""
    found = pattern(remedy).search(plain(said))
    assert found, f"«{remedy}» was not said, but: {said}"
    return found[0]


def commands_in(text: str) -> list[list[str]]:
    """The commands of ours in a printed remedy, as words."""
    return [shlex.split(found) for found in RUN.findall(text)]
