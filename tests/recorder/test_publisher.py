"""The status file: how often it is written, which costs the more the more symbols there are."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from tests.journals import HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.monitors import STALE_NS
from harvester.capture.publisher import MANY, MANY_EVERY_NS, StatusPublisher


class Publisher(StatusPublisher):
    """One with nothing to tell but its symbols, whichever feeds they are of."""

    symbols = 0

    def describe(self, recorder: Any) -> dict[str, Any]:
        return {"symbols": {f"NSE:S{number}-EQ": {} for number in range(self.symbols)}}


@pytest.mark.parametrize(("symbols", "writes"), [(5, 10), (MANY - 1, 10), (MANY, 2)])
def test_many_symbols_are_written_less_often(tmp_path: Path, symbols: int, writes: int) -> None:
    clock, path = HandClock(), tmp_path / "status.json"
    context = Mock(clock=clock, settings=Mock(status_file=path))
    publisher = Publisher(context, polls=Mock(), streams=[], keeper=Mock(), symbol_master=dict)
    publisher.symbols = symbols
    found = 0
    for _ in range(10):
        path.unlink(missing_ok=True)
        publisher(Mock())
        found += path.exists()
        clock.now_ns += NS_PER_SECOND
    assert found == writes


def test_what_is_written_less_often_is_still_fresh() -> None:
    assert 2 * MANY_EVERY_NS <= STALE_NS
