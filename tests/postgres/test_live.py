"""Each bar is a row as soon as it is over: what is there after each minute, whatever came in between."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS
from tests.postgres.conftest import INFY, MINUTE_NS, SBIN, RowHost
from tests.postgresql_server import stoppable_server
from tests.storage.lake.candles import said

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import zone
from harvester.postgres.columns import Row
from harvester.postgres.minutes import tickers_of
from harvester.postgres.trouble import DatabaseError
from lab.calendar import closed_calendar, session_calendar, write_calendar
from lab.testing import wait_until

OPENING = datetime.fromtimestamp(OPEN_NS // 10**9, UTC)


def bar(number: int, close: float = 800.5, volume: int = 100) -> list[Any]:
    """The candle of a minute, counted from the opening."""
    begin_s = (OPEN_NS + number * MINUTE_NS) // 10**9
    return [begin_s, 800, max(801.25, close), min(799.95, close), close, volume]


def at(number: int) -> datetime:
    return OPENING + timedelta(minutes=number)


def cents(text: str) -> Decimal:
    return Decimal(text)


def test_a_closed_minute_is_a_row_and_the_forming_one_is_none(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    assert live.turn(DAY) == 0
    recorder.answer(1.05, SBIN, said(bar(0, 800.5, 100), bar(1, 805)))
    assert live.turn(DAY) == 2
    assert host.rows() == [(at(0), cents("800.50"), 100)]
    assert host.rows("indicators") == [(at(0), cents("800.50"), cents("800.50"))]

    recorder.answer(2.05, SBIN, said(bar(0, 800.5, 100), bar(1, 801, 300), bar(2, 700)))
    recorder.answer(2.06, INFY, said(bar(0, 1500, 5)))
    assert live.turn(DAY) == 4 and live.turn(DAY) == 0
    assert host.rows() == [(at(0), cents("800.50"), 100), (at(1), cents("801.00"), 300)]
    assert host.rows("indicators")[1] == (at(1), cents("800.75"), cents("800.88"))
    assert host.rows("indicators", "INFY") == [(at(0), cents("1500.00"), cents("1500.00"))]
    assert live.state.fetched == {"SBIN": 2, "INFY": 1} and live.state.latency_ms["INFY"] == 0
    assert live.state.watermark == {"SBIN": at(1).isoformat(), "INFY": at(0).isoformat()}


def test_a_revised_minute_changes_its_row_and_what_follows_from_it(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(3.05, SBIN, said(bar(0, 800), bar(1, 800), bar(2, 800)))
    assert live.turn(DAY) == 6
    made = host.base.run("SELECT id, created_at FROM equity_data ORDER BY id")
    recorder.answer(4.05, SBIN, said(bar(0, 803), bar(1, 800), bar(2, 800), bar(3, 800)))
    assert live.turn(DAY) == 1 + 1 + 3 + 1, "the bar that was revised and the new one; averages of all"
    assert [row[1] for row in host.rows()] == [803, 800, 800, 800]
    assert [row[1] for row in host.rows("indicators")] == [cents("803.00"), cents("801.50"), 801, cents("800.75")]
    assert host.base.run("SELECT id, created_at FROM equity_data ORDER BY id")[:3] == made, "no row was replaced"


def test_a_calendar_that_comes_during_the_session_is_followed_at_once(host: RowHost) -> None:
    path = host.root / "calendar.json"
    write_calendar(path, closed_calendar(DAY))
    host.changes["calendar"] = {"file": str(path)}
    recorder, live = host.recorder(), host.live()
    recorder.answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
    live.turn(DAY)
    assert len(host.rows()) == 2 and host.rows("indicators") == [], "no bar of a closed day moves an average"

    opens = OPENING.astimezone(zone())
    write_calendar(path, session_calendar(opens, opens + timedelta(hours=6)))
    live.turn(DAY)
    assert [row[1] for row in host.rows("indicators")] == [800, cents("800.50")]

    path.write_text("{")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"calendar\.json"):
            live.turn(DAY)
    write_calendar(path, session_calendar(opens, opens + timedelta(hours=6)))
    recorder.answer(3.05, SBIN, said(bar(2, 802)))
    assert live.turn(DAY) == 2


def test_a_revision_alone_leaves_the_watermark_at_the_newest_minute(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(3.05, SBIN, said(bar(0, 800), bar(1, 800), bar(2, 800)))
    live.turn(DAY)
    recorder.answer(3.15, SBIN, said(bar(0, 800), bar(1, 803), bar(2, 800)))
    live.turn(DAY)
    assert host.rows()[1] == (at(1), 803, 100)
    assert live.state.watermark == {"SBIN": at(2).isoformat()}


def test_a_second_process_of_a_delivery_waits_until_the_first_has_committed(host: RowHost) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with host.open() as first, host.open() as second, ThreadPoolExecutor() as pool:
        first.merge({})  # the tables are made, and claimed
        merging: list[Future[Any]] = []

        def rows() -> Iterator[Row]:
            merging.append(pool.submit(second.merge, {}))
            assert wait_until(lambda: merging[0].done() or host.base.run(waiting) == [(1,)], 60)
            assert not merging[0].done()
            yield from ()

        first.merge({first.tables[0].full_name: rows()})
        assert merging[0].result().keys() == {table.full_name for table in second.tables}


def test_a_restart_finds_what_is_there_and_uses_up_no_number_of_the_sequence(host: RowHost) -> None:
    recorder = host.recorder()
    recorder.answer(3.05, SBIN, said(bar(0), bar(1), bar(2)))
    first = host.live()
    assert first.turn(DAY) == 6
    first.forget()
    again = host.live()
    assert again.turn(DAY) == 0 and again.state.watermark == {"SBIN": at(2).isoformat()}
    recorder.answer(4.05, SBIN, said(bar(3)))
    assert again.turn(DAY) == 2
    assert host.base.run("SELECT max(id), count(*) FROM equity_data") == [(4, 4)]


def test_a_row_without_a_vwap_is_known_again_as_well(host: RowHost) -> None:
    recorder = host.recorder()
    recorder.answer(1.05, SBIN, said(bar(0, 800, 0)))
    assert host.live().turn(DAY) == 2 and host.rows("indicators") == [(at(0), 800, None)]
    recorder.answer(2.05, SBIN, said(bar(1, 802, 10)))
    assert host.live().turn(DAY) == 2
    assert host.base.run("SELECT max(id) FROM indicators") == [(2,)] and host.rows("indicators")[1][2] == 802


def test_a_segment_is_read_on_after_its_folder_changed_and_a_new_one_after_it(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(1.05, SBIN, said(bar(0)))
    assert live.turn(DAY) == 2
    (host.settings.journal_dir / str(DAY) / "passing-by").touch()
    recorder.answer(2.05, SBIN, said(bar(1)))
    assert live.turn(DAY) == 2
    recorder.stop()
    host.recording = None
    host.recorder().answer(3.05, SBIN, said(bar(2)))
    assert live.turn(DAY) == 2 and live.turn(DAY) == 0
    assert len(host.rows()) == 3


def test_half_a_record_is_read_when_it_is_whole(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(1.05, SBIN, said(bar(0)))
    assert live.turn(DAY) == 2
    [path] = (host.settings.journal_dir / str(DAY)).glob("*.open")
    before = path.stat().st_size
    recorder.answer(2.05, SBIN, said(bar(0), bar(1)))
    whole = path.read_bytes()
    path.write_bytes(whole[: before + 50])
    assert live.turn(DAY) == 0
    path.write_bytes(whole)
    assert live.turn(DAY) == 2


@pytest.mark.parametrize(
    ("symbols", "says"),
    [
        ((SBIN, "NSE:SBIN"), "NSE:SBIN and NSE:SBIN-EQ would both be SBIN in the tables"),
        (("NSE:NIFTY50-INDEX",), "NIFTY50-INDEX has more than the 10 letters of the tables' tickers"),
    ],
)
def test_symbols_that_the_tables_cannot_tell_apart_or_hold_are_refused(symbols: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tickers_of(symbols)


def test_averages_begin_at_the_opening_and_an_auction_moves_none(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(2.05, SBIN, said(bar(-8, 700, 10_000), bar(0, 800, 1), bar(1, 802, 3)))
    live.turn(DAY)
    assert [row[0] for row in host.rows()] == [at(-8), at(0), at(1)]
    assert host.rows("indicators") == [(at(0), 800, 800), (at(1), 801, cents("801.50"))]


def test_what_was_recorded_while_the_database_was_down_comes_from_the_journal(host: RowHost) -> None:
    with stoppable_server() as own:
        host.base = own.create()
        recorder, live = host.recorder(), host.live()
        recorder.answer(1.05, SBIN, said(bar(0, 800)))
        assert live.turn(DAY) == 2
        own.stop()
        recorder.answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
        for _ in range(2):
            with pytest.raises(
                DatabaseError, match=r"Nothing is lost: what is lacking is read again from the journal\.$"
            ):
                live.turn(DAY)
            live.forget()
        recorder.answer(3.05, SBIN, said(bar(2, 802)))
        own.start()
        assert live.turn(DAY) == 4
        assert [row[1] for row in host.rows()] == [800, 801, 802]


def test_a_journal_that_cannot_be_read_is_said_and_nothing_is_skipped(
    host: RowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(1.05, SBIN, said(bar(0)))

    def denied(*_: object) -> Any:
        raise PermissionError(13, "Permission denied", "/journal/1.open")

    with monkeypatch.context() as patch:
        patch.setattr("harvester.live.tail.open_segment", denied)
        with pytest.raises(HarvesterError, match=r"^/journal/1.open: the journal cannot be read \(Permission denied\)"):
            live.turn(DAY)
    live.forget()
    assert live.turn(DAY) == 2
