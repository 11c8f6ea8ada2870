"""What a check found."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """ok; none: there is nothing here to check; warn: works, or matters only for some commands; fail: it will not."""

    OK = "ok"
    NONE = "none"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One check's outcome; `fix` says what to do and is empty when all is well."""

    name: str
    level: Severity
    detail: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {key: str(value) for key, value in asdict(self).items()}


def ok(name: str, detail: str) -> Finding:
    return Finding(name, Severity.OK, detail)


def warn(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, Severity.WARN, detail, fix)


def fail(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, Severity.FAIL, detail, fix)


def nothing(name: str, reason: str) -> Finding:
    """What is not there cannot be checked, and need not be."""
    return Finding(name, Severity.NONE, reason)
