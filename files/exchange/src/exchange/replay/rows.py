"""A recorded day served again by time: captured /depth rows (JSON lines) or a depth table of the harvester's lake."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exchange.market.instruments import Instrument
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError

TIME_KEYS = ("recv_ns", "received_ns", "time_ns")


@dataclass
class _Track:
    """The rows of one symbol in order of time; `row` makes the broker's JSON of one."""

    times: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)


class ReplayDepth:
    """Serves each row from its recorded distance to the first row, counted from `start_ns`; the last one stays.

    All symbols share one time line. Before its own first row a symbol shows that row already.
    """

    def __init__(self, tracks: Mapping[str, _Track], start_ns: int, row: Callable[[Any], dict[str, Any]]) -> None:
        self._tracks = tracks
        self._row = row
        self._offset = min(track.times[0] for track in tracks.values()) - start_ns

    @property
    def symbols(self) -> list[str]:
        """What can be asked for."""
        return sorted(self._tracks)

    def row(self, symbol: str, wall_ns: int) -> dict[str, Any] | None:
        track = self._tracks.get(symbol)
        if track is None:
            return None
        place = bisect_right(track.times, wall_ns + self._offset) - 1
        return self._row(track.rows[max(0, place)])


def load_replay(path: Path, start_ns: int, instruments: Mapping[str, Instrument]) -> ReplayDepth:
    """Read a recording; its time line begins at `start_ns`. Raises ConfigError naming file and line."""
    try:
        if path.suffix == ".parquet":
            return _load_table(path, start_ns, instruments)
        tracks: dict[str, _Track] = {}
        for symbol, time_ns, row in _lines(path):
            track = tracks.setdefault(symbol, _Track())
            if track.times and time_ns < track.times[-1]:
                raise ConfigError(f"{path}: the rows of {symbol} are not in order of time.")
            track.times.append(time_ns)
            track.rows.append(row)
    except OSError as error:
        raise ConfigError(f"{path}: the recording cannot be read ({error}).") from error
    if not tracks:
        raise ConfigError(f"{path}: the recording is empty.")
    return ReplayDepth(tracks, start_ns, dict)


def _lines(path: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Symbol, time and row of each line: {"symbol", "row"} with recv_ns, or else the time of the last trade."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
                symbol, row = data["symbol"], data["row"]
                stamp = next((data[key] for key in TIME_KEYS if key in data), None)
                yield symbol, int(stamp) if stamp is not None else int(row["ltt"]) * NS_PER_SECOND, row
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{path}, line {number}: not a recorded /depth row ({error}). Each line is a JSON object with"
                    " symbol, row (as the broker answers) and, when known, recv_ns."
                ) from error


def _load_table(path: Path, start_ns: int, instruments: Mapping[str, Instrument]) -> ReplayDepth:
    from exchange.replay.table import BookTable

    table = BookTable(path)
    tracks: dict[str, _Track] = {}
    for place in sorted(range(len(table.times)), key=table.times.__getitem__):
        track = tracks.setdefault(table.symbols[place], _Track())
        track.times.append(table.times[place])
        track.rows.append(place)
    if not tracks:
        raise ConfigError(f"{path}: the recording is empty.")
    return ReplayDepth(tracks, start_ns, lambda place: table.answer(place, instruments))
