"""What earlier segments of a day say of later ones, while they are indexed in order."""

from dataclasses import dataclass, field
from typing import Any

from harvester.lake.day.numbers import NumberRange


@dataclass
class EarlierSegments:
    """Grows with each segment."""

    heads: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last header of each process."""
    numbers: dict[str, list[NumberRange]] = field(default_factory=dict)
    """The numbers of the records of each run."""
    run_id: str = ""
    connected: set[tuple[Any, Any]] = field(default_factory=set)
    """Feed and stream of the connections of the run that was read last."""

    def see_connection(self, run_id: str, value: dict[str, Any] | None) -> None:
        """Note a control record, if it begins a connection."""
        if run_id != self.run_id:
            self.run_id, self.connected = run_id, set()
        if value and value["type"] == "connect":
            self.connected.add((_plain(value.get("feed")), _plain(value.get("stream"))))


def _plain(value: object) -> int | None:
    return value if type(value) is int else None
