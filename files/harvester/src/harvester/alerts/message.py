"""A message to a person, and how grave it is."""

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """In rising order. `clear` ends what another began."""

    CLEAR = 0
    NOTICE = 1
    WARNING = 2
    URGENT = 3
    CRITICAL = 4


REPEAT_SECONDS = {Severity.CRITICAL: 7_200}
"""How often a message of this severity is sent again while its cause lasts; the others are sent once."""


class Message(NamedTuple):
    """`cause` is what it is about, such as no_token: of one cause nobody is told the same twice."""

    severity: Severity
    cause: str
    title: str
    body: str
