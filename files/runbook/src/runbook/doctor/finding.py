"""What a check found."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """ok; warn: works, or matters only for some commands; fail: something will not work."""

    OK = "ok"
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
