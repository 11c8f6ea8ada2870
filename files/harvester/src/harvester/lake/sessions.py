"""The day's hours as recorded with: phases of each segment by the host's calendar, and the recorded windows."""

import pyarrow as pa

from harvester.lake.day.model import Day, Expectation
from harvester.lake.layout import WINDOW
from harvester.lake.schema import SESSIONS_SCHEMA


def make_sessions(day: Day, expectation: Expectation) -> pa.Table:
    """A row a phase, and a row a window, by segment and time."""
    rows = [
        {"segment": segment, "phase": name, "ts_open": opens, "ts_close": closes}
        for segment, grid in sorted(day.grids.items())
        for name, opens, closes in (
            *((WINDOW, *window) for window in grid.windows),
            *expectation.phases.get(segment, ()),
        )
    ]
    return pa.Table.from_pylist(rows, SESSIONS_SCHEMA)
