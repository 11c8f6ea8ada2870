"""The functions as built, and what the roles render, once for all tests."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.aws_days.rendering import ROOT, render
from tests.aws_days.world import World, deployed, living

from harvester.calendar import TradingCalendar

TODAY = date(2026, 11, 1)
REHEARSAL = {
    "date": "2026-11-14",
    "kind": "disaster_recovery",
    "phases": {"continuous": [["09:15:00", "10:00:00"], ["11:30:00", "12:30:00"]]},
    "status": "provisional",
    "reference": "Saturday; made up",
}


@pytest.fixture(scope="session")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> TradingCalendar:
    """The package's, with a session at the other site on a Saturday."""
    data = json.loads((ROOT / "files/harvester/src/harvester/calendar/nse.json").read_bytes())
    data["special_sessions"].append(REHEARSAL)
    file = Path(tmp_path_factory.mktemp("calendar")) / "calendar.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return TradingCalendar.load(file)


@pytest.fixture(scope="session")
def rendered() -> Any:
    return render()


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory, calendar: TradingCalendar) -> Iterator[dict[str, ModuleType]]:
    with deployed(tmp_path_factory.mktemp("archives"), calendar, TODAY) as found:
        yield found


@pytest.fixture
def live(
    rendered: Any, modules: dict[str, ModuleType], calendar: TradingCalendar
) -> Iterator[Callable[[datetime], World]]:
    """Makes a world that begins at a moment, with hosts that sleep and a token of that day."""

    def begin(moment: datetime) -> World:
        world = stack.enter_context(living(rendered, modules, calendar, moment))
        world.push_token()
        return world

    with ExitStack() as stack:
        yield begin
