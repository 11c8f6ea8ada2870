"""The calendar's facts in plain types, for processes that have no room for the model that checks them."""

from datetime import date
from typing import Any, Literal, NamedTuple

PhaseName = Literal["pre_open", "continuous", "closing_auction", "post_close"]
Phases = dict[PhaseName, tuple[tuple[int, int], ...]]
"""Windows of each phase, in seconds since midnight in India."""


class Rule(NamedTuple):
    """The phases of every ordinary trading day from one date to another, both included."""

    first: date
    last: date | None
    phases: Phases


class Special(NamedTuple):
    """A day with times of its own."""

    kind: str
    phases: Phases


class Facts(NamedTuple):
    """All that a calendar file says."""

    valid_until: date
    rules: tuple[Rule, ...]
    holidays: frozenset[date]
    specials: dict[date, Special]

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "valid_until": self.valid_until.isoformat(),
            "rules": [
                [first.isoformat(), last.isoformat() if last else None, phases] for first, last, phases in self.rules
            ],
            "holidays": sorted(day.isoformat() for day in self.holidays),
            "specials": {day.isoformat(): special for day, special in self.specials.items()},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Facts":
        """From what `to_json` gave."""
        return cls(
            date.fromisoformat(data["valid_until"]),
            tuple(
                Rule(date.fromisoformat(first), date.fromisoformat(last) if last else None, _phases(phases))
                for first, last, phases in data["rules"]
            ),
            frozenset(map(date.fromisoformat, data["holidays"])),
            {
                date.fromisoformat(day): Special(kind, _phases(phases))
                for day, (kind, phases) in data["specials"].items()
            },
        )


def _phases(data: dict[PhaseName, list[list[int]]]) -> Phases:
    return {name: tuple((opens, closes) for opens, closes in windows) for name, windows in data.items()}
