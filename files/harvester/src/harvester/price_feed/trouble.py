"""Of whose candles people are told that none come, and that they come again; pure. Needs the standard library alone.

A failed request that the next one makes good is nothing to tell: each answer has the whole day so far. So a symbol is
told of when it fails in two rounds one after the other, and a round without any data at once; each once.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from harvester.price_feed.asking import Round

ALL = "all symbols"


class Trouble(NamedTuple):
    """Who failed in the last round, and of whom people were told."""

    failing: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def write(self) -> str:
        return json.dumps(self._asdict())


def read_trouble(text: str) -> Trouble:
    """What was remembered; nothing where that cannot be read."""
    try:
        content: Mapping[str, list[str]] = json.loads(text)
        return Trouble(*(tuple(map(str, content[name])) for name in Trouble._fields))
    except (ValueError, KeyError, TypeError):
        return Trouble()


class News(NamedTuple):
    """What to tell, and what to remember then."""

    begun: dict[str, str]
    """By symbol, or ALL, what the broker said."""
    ended: tuple[str, ...]
    trouble: Trouble


def judge(before: Trouble, found: Round) -> News:
    """What a round changes."""
    if not found.answers:
        first = next(iter(found.failed.values()))
        begun = {} if ALL in before.told else {ALL: f"{first.cause} ({first.detail})"}
        return News(begun, (), Trouble(before.failing, tuple(sorted({*before.told, ALL}))))
    failing = found.failed.keys()
    begun = {
        symbol: f"{found.failed[symbol].cause} ({found.failed[symbol].detail})"
        for symbol in sorted(failing & set(before.failing) - set(before.told))
    }
    ended = tuple(sorted(set(before.told) - failing))
    told = ({*before.told} & failing) | begun.keys()
    return News(begun, ended, Trouble(tuple(sorted(failing)), tuple(sorted(told))))
