"""What kind an error is. The words are data, bounded and in an order; an exception class counts before its message."""

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

UNKNOWN = "UNKNOWN"
MESSAGE_CHARACTERS = 4_000
CLASS = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)\Z")
AT_THE_START = re.compile(
    r"\s*((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Timeout|Disconnected|Expired))\b\s*(?::|\Z)"
)
MODULE = re.compile(r"\bNo module named '?([A-Za-z_][A-Za-z0-9_]*)")


class Words(NamedTuple):
    """`kinds.json`: kinds by exception class, patterns in order, and what is installed for a module that is lacking."""

    types: dict[str, str]
    patterns: list[tuple[str, re.Pattern[str]]]
    modules: dict[str, str]

    @property
    def kinds(self) -> set[str]:
        return {*self.types.values(), *(kind for kind, _ in self.patterns)}


@lru_cache
def words() -> Words:
    """Read once."""
    data = json.loads((files("harvester.workers.repair") / "kinds.json").read_text("utf-8"))
    types = {name: kind for kind, names in data["types"].items() for name in names}
    return Words(types, [(kind, re.compile(text, re.IGNORECASE)) for kind, text in data["patterns"]], data["modules"])


def classify(error_type: str, message: str, stacktrace: str = "") -> str:
    """One of nine kinds, or UNKNOWN. The stack trace's last line speaks where type and message say nothing."""
    found = words()
    if error_type.strip() in found.kinds:
        return error_type.strip()
    if kind := found.types.get(_class_of(error_type, message)):
        return kind
    last = [line for line in stacktrace.splitlines() if line.strip()][-1:]
    if not message.strip() and last:
        return classify("", last[0].strip())
    text = message if _is_class(error_type) else f"{error_type}: {message}"
    return _by_words(found, text) or (_by_trace(found, last[0].strip()) if last else "") or UNKNOWN


def _by_words(found: Words, text: str) -> str:
    text = " ".join(text[:MESSAGE_CHARACTERS].split())
    return next((kind for kind, pattern in found.patterns if pattern.search(text)), "")


def _by_trace(found: Words, line: str) -> str:
    """Of a trace only the exception that ends it: the lines above are code, in which every word may stand."""
    return found.types.get(_class_of("", line), "") or (_by_words(found, line) if AT_THE_START.match(line) else "")


def _class_of(error_type: str, message: str) -> str:
    """The exception's class, without its module, as the type says it or else the beginning of the message."""
    if match := CLASS.match(error_type.strip()):
        return match[1]
    match = AT_THE_START.match(message)
    return match[1].rpartition(".")[2] if match else ""


def _is_class(error_type: str) -> bool:
    return bool(AT_THE_START.match(error_type.strip() + ":"))


def missing_module(message: str) -> str:
    """The root of the module that is lacking; "" where the message names none."""
    match = MODULE.search(message)
    return match[1] if match else ""
