"""A file of variables that was written before, and may have been edited since, with new values of a few of them.

A file is taken as blocks: a top-level key, the lines that belong to it, and the comments before it. A block is replaced
only where its value has to change; all others stay as they are, letter by letter.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from harvester.base.errors import ConfigError

KEY = re.compile(r"^([A-Za-z_]\w*):")


def read_variables(path: Path) -> dict[str, Any]:
    """What the file states; nothing where there is none. ConfigError for what is no mapping."""
    text = path.read_text("utf-8") if path.exists() else ""
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}. Correct it, or move it away.") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} has no variables by name. Correct it, or move it away.")
    return found


def blocks(text: str) -> dict[str, str]:
    """The text of each top-level key with the comments before it, in order; "" has what comes after the last one."""
    found: dict[str, str] = {}
    key, waiting = "", ""
    for line in text.splitlines(keepends=True):
        if begun := KEY.match(line):
            key = begun[1]
            found[key] = waiting + line
            waiting = ""
        elif line.startswith((" ", "\t", "- ")) and key:
            found[key] += waiting + line
            waiting = ""
        else:
            waiting += line
    return found | ({"": waiting} if waiting else {})


def merge(old: str, new: str, changed: Collection[str]) -> str:
    """The old text with the blocks of the `changed` keys as in the new one, and with those that it lacks at its end."""
    before, after = blocks(old), blocks(new)
    kept = {key: _with_value_of(text, after[key]) if key in changed else text for key, text in before.items()}
    rest = kept.pop("", "")
    added = [text for key, text in after.items() if key and key not in before]
    return "".join([*kept.values(), rest, *added])


def _with_value_of(old: str, new: str) -> str:
    """The comments of one block with the value of another."""
    comments = old[: next(found.start() for found in re.finditer(r"^[A-Za-z_]\w*:", old, re.MULTILINE))]
    return comments + new[next(found.start() for found in re.finditer(r"^[A-Za-z_]\w*:", new, re.MULTILINE)) :]


def differing(old: Mapping[str, Any], new: Mapping[str, Any], keys: Collection[str]) -> set[str]:
    """Those of the keys whose values differ."""
    return {key for key in keys if key in old and old[key] != new.get(key)}
