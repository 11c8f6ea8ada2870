"""A message to a person, and how grave it is."""

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """In rising order. `clear` ends what another began."""

    CLEAR = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3


REPEAT_SECONDS = {Severity.INFO: 3_600, Severity.WARNING: 1_800, Severity.CRITICAL: 300}
"""Of one cause and source, nobody is told again before this time has passed."""


class Message(NamedTuple):
    """`cause` is what it is about, such as no_token: of one cause nobody is told the same twice."""

    severity: Severity
    cause: str
    title: str
    body: str
