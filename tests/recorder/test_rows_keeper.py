"""What keeps the rows in a database coming: pauses, what people are told of trouble and of its end, each time anew."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS, HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health.live_rows import PATIENCE_NS, LiveState
from harvester.live.bars import Change, LiveBars, Minute
from harvester.live.tail import JournalTail
from harvester.postgres.live import FIRST_PAUSE, LAST_PAUSE, LOOK_SECONDS, Keeper, LiveDelivery

SOON = PATIENCE_NS // 2


class Rows:
    """A delivery that does what it is told."""

    def __init__(self, clock: HandClock) -> None:
        self.clock, self.trouble, self.forgotten = clock, "", 0
        self.state = LiveState(started_at_ns=clock.wall_ns())

    def turn(self, _: date) -> int:
        if self.trouble:
            raise HarvesterError(self.trouble)
        return 0

    def forget(self) -> None:
        self.forgotten += 1


class Kept:
    """A keeper of such rows, and what people are told by it."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.rows, self.told = Rows(self.clock), list[str]()
        self.keeper = Keeper(self.rows, folder, self.clock, self.told.append)  # type: ignore[arg-type]

    def after(self, ns: int, trouble: str = "") -> tuple[list[str], float]:
        """What a turn so much later tells people, and the seconds until the next."""
        self.clock.now_ns += ns
        self.rows.trouble, before = trouble, len(self.told)
        wait = self.keeper.turn(DAY)
        return self.told[before:], wait


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_what_lasts_is_told_once_and_its_end_once_and_the_next_time_is_told_as_the_first(kept: Kept) -> None:
    for _ in range(3):
        assert kept.after(NS_PER_SECOND, "down")[0] == []
        assert kept.after(PATIENCE_NS - 1, "down")[0] == []
        assert kept.after(1, "down")[0] == ["down"]
        assert [kept.after(SOON, "down")[0] for _ in range(5)] == [[]] * 5
        assert kept.after(NS_PER_SECOND)[0] == [""], "it is over"
        assert [kept.after(SOON)[0] for _ in range(5)] == [[]] * 5


def test_what_is_over_before_people_were_told_is_told_to_nobody_and_counts_for_nothing_later(kept: Kept) -> None:
    for _ in range(5):
        assert kept.after(NS_PER_SECOND, "down")[0] == []
        assert kept.after(PATIENCE_NS - 1, "down")[0] == []
        assert kept.after(0)[0] == []
    assert kept.rows.state.failing_since_ns == 0


def test_another_trouble_of_the_same_stretch_is_no_second_message(kept: Kept) -> None:
    kept.after(0, "down")
    assert kept.after(PATIENCE_NS, "no such table")[0] == ["no such table"]
    assert kept.after(NS_PER_SECOND, "down")[0] == []
    assert kept.rows.state.problem == "down"


def test_pauses_grow_to_their_limit_and_begin_anew_after_a_turn_that_worked(kept: Kept) -> None:
    assert kept.after(0)[1] == LOOK_SECONDS
    for _ in range(2):
        pauses = [kept.after(NS_PER_SECOND, "down")[1] for _ in range(8)]
        assert pauses == [FIRST_PAUSE, 2, 4, 8, 16, LAST_PAUSE, LAST_PAUSE, LAST_PAUSE]
        assert kept.after(NS_PER_SECOND)[1] == LOOK_SECONDS
    assert kept.rows.forgotten == 16, "after an error nothing counts but the journal and the database"


def test_a_trouble_is_on_standard_error_once_and_so_is_another_one(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    for trouble in ("down", "down", "no such table", "", "", "down"):
        kept.after(NS_PER_SECOND, trouble)

    assert capsys.readouterr().err.splitlines() == ["down", "no such table", "down"]


def live_rows(folder: Path, open_database: Callable[[], Any]) -> LiveDelivery:
    delivery = {"name": "rows", "kind": "postgres", "place": "file:/dsn", "live": True}
    content = {"host_id": "h1", "data_dir": str(folder), "symbols": ["NSE:SBIN-EQ"], "feeds": ["fyers-history"]}
    content |= {"broker": {"app_id": "ABCDE12345-100"}, "candles": {"resolution": 1, "every_seconds": 60}}
    settings = validate(Settings, {**content, "deliveries": [delivery]})
    return LiveDelivery(settings, settings.deliveries[0], TradingCalendar.load, open_database, HandClock())


def test_what_came_yesterday_is_not_said_of_today_and_a_start_in_the_day_forgets_nothing(tmp_path: Path) -> None:

    def never() -> Any:
        raise AssertionError("nothing came, so the database is not asked")

    live = live_rows(tmp_path, never)
    live.state.date, live.state.watermark = str(DAY), {"SBIN": f"{DAY}T09:59:00+00:00"}

    assert live.turn(DAY) == 0
    assert live.state.watermark == {"SBIN": f"{DAY}T09:59:00+00:00"}
    assert live.turn(DAY + timedelta(days=1)) == 0
    assert (live.state.date, live.state.watermark) == (str(DAY + timedelta(days=1)), {})


def test_each_database_that_was_opened_is_closed_before_another_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server has few connections, and an outage of an hour has hundreds of attempts."""
    opened = [0]

    class Down:
        home = "there"

        def __init__(self) -> None:
            opened.append(opened[-1] + 1)

        def merge(self, _: object) -> None:
            raise HarvesterError("down")

        def close(self) -> None:
            opened.append(opened[-1] - 1)

    monkeypatch.setattr(JournalTail, "records", lambda _: iter([("a segment", "a record")]))
    monkeypatch.setattr(LiveBars, "take", lambda *_: [Change("NSE:SBIN-EQ", OPEN_NS)])
    monkeypatch.setattr(LiveBars, "bars", lambda *_: [Minute(OPEN_NS, 100, 1)])
    keeper = Keeper(live := live_rows(tmp_path, Down), tmp_path, HandClock(), list[str]().append)
    for _ in range(3):
        keeper.turn(DAY)
    assert opened == [0, 1, 0, 1, 0, 1, 0] and live.state.problem == "down"
