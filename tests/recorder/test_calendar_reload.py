"""The calendar that is read again when its file changes."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs
from tests.recorder.fakes import make_calendar
from tests.recorder.minute import DAY

from harvester.base.errors import ConfigError
from harvester.calendar import TradingCalendar
from harvester.calendar.reload import CalendarReloader


def write(path: Path, valid_until: str) -> Path:
    """Another size each time, so that no clock decides whether it has changed."""
    return make_calendar(path, DAY, {"continuous": [["10:00:00", "10:01:00"]]}, valid_until)


def read(reloader: CalendarReloader) -> None:
    work = reloader.look()
    assert work
    asyncio.run(work)


def test_a_changed_file_comes_into_force_once_and_a_refused_one_leaves_the_last(tmp_path: Path) -> None:
    path = write(tmp_path / "calendar.json", "2098-01-01")
    first = TradingCalendar.load(path)

    async def load() -> TradingCalendar:
        return TradingCalendar.load(path)

    reloader = CalendarReloader(first, path, load)
    assert (reloader.calendar, reloader.problem) == (first, "")
    assert reloader.look() is None, "it has not changed since it was read"
    assert reloader.take() is False

    path.write_text("not a calendar", encoding="utf-8")
    with capture_logs() as said:
        read(reloader)
        assert reloader.take() is False
    assert reloader.calendar is first
    assert str(path) in reloader.problem
    assert said == [{"event": "calendar_refused", "detail": reloader.problem, "log_level": "error"}]

    write(path, "2099-01-01")
    with capture_logs() as said:
        read(reloader)
        assert reloader.calendar is first, "not before it is taken"
        assert reloader.take() is True
    assert reloader.calendar.valid_until.year == 2099
    assert reloader.problem == ""
    assert said == [{"event": "calendar_reloaded", "valid_until": "2099-01-01", "log_level": "info"}]
    assert reloader.take() is False
    assert reloader.look() is None


def test_the_calendar_of_the_package_has_no_file_to_look_at() -> None:
    async def load() -> TradingCalendar:
        raise ConfigError("nobody reads it")

    assert CalendarReloader(TradingCalendar.load(), None, load).look() is None
