"""Whole days: from the lake or from today's journal, read back, corrected, and tables of the lake's own."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS, HandRecorder
from tests.postgres.conftest import INFY, MINUTE_NS, SBIN, RowHost
from tests.postgres.test_live import at, bar
from tests.storage.lake.candles import said

from harvester.base.errors import ConfigError
from harvester.dues.deliveries import DeliverySource
from harvester.reader import open_lake

SETTLED = 392.0
"""Minutes after the opening: the last bar ends at 375, and settles a quarter of an hour after the auction."""
CANDLES = {
    "name": "minutes",
    "rows": "candles",
    "columns": {"symbol": "symbol", "begun": "ts_begin", "close": "close", "shares": "volume", "is_final": "final"},
    "key": ["symbol", "begun"],
}


def record(host: RowHost, *, close: bool = True) -> None:
    """Two symbols, three bars of each, the second one revised after the live delivery."""
    recorder = host.recorder()
    for symbol in (SBIN, INFY):
        recorder.answer(3.05, symbol, said(bar(0, 800, 10), bar(1, 801, 10), bar(2, 802, 10)))
    recorder.answer(420, SBIN, said(bar(0, 800, 10), bar(1, 805, 10), bar(2, 802, 10)))
    recorder.answer(420.1, INFY, said(bar(0, 800, 10), bar(1, 801, 10), bar(2, 802, 10)))
    recorder.stop(430)
    if close:
        host.close()


def test_a_closed_day_is_brought_verified_and_left_alone_afterwards(host: RowHost) -> None:
    record(host)
    done = host.deliver()
    assert done.outcome.complete and done.outcome.new and done.outcome.problems == []
    said_ = done.describe()
    assert said_["records"] == 12 and said_["symbols"] == [INFY, SBIN]
    assert (said_["date"], said_["delivery"], said_["complete"]) == (str(DAY), done.name, True)
    assert said_["place"] == done.receipt.home
    assert said_["tables"] == ["public.equity_data", "public.indicators"] and said_["missing"] > 0
    assert [row[1] for row in host.rows()] == [800, 805, 802]
    assert [row[1] for row in host.rows("indicators")] == [800, Decimal("802.50"), Decimal("802.33")]
    [file] = [file for path, file in done.receipt.files.items() if path == f"public.equity_data/{SBIN}"]
    assert file.checksum == "3 inserted, 0 updated"

    again = host.deliver()
    assert again.outcome.complete and not again.outcome.new and again.outcome.put == 0


def test_the_day_corrects_what_was_live_and_doubles_nothing(host: RowHost) -> None:
    recorder, live = host.recorder(), host.live()
    recorder.answer(3.05, SBIN, said(bar(0, 800, 10), bar(1, 801, 10), bar(2, 802, 10)))
    assert live.turn(DAY) == 6
    record(host)
    done = host.deliver()
    checks = {path: file.checksum for path, file in done.receipt.files.items()}
    assert checks[f"public.equity_data/{SBIN}"] == "0 inserted, 1 updated"
    assert checks[f"public.indicators/{SBIN}"] == "0 inserted, 2 updated"
    assert host.base.run("SELECT count(*) FROM equity_data WHERE ticker = 'SBIN'") == [(3,)]


def test_today_comes_from_the_journal_before_the_close(host: RowHost) -> None:
    record(host, close=False)
    done = host.deliver()
    assert done.outcome.complete and [row[1] for row in host.rows()] == [800, 805, 802]
    host.close()
    again = host.deliver()
    assert again.outcome.complete and again.outcome.new, "the lake is another source"
    assert {file.checksum for file in again.receipt.files.values()} >= {"3 inserted, 0 updated"}


def test_a_trigger_that_changes_rows_is_found_when_they_are_read_back(host: RowHost) -> None:
    record(host)
    with host.open() as place:
        place.open()
    host.base.run(
        "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.volume := 7; RETURN NEW; END $$",
        "CREATE TRIGGER change BEFORE INSERT ON equity_data FOR EACH ROW EXECUTE FUNCTION change()",
    )
    done = host.deliver()
    assert not done.outcome.complete and len(done.outcome.problems) == 2
    assert done.outcome.problems[1] == (
        f"public.equity_data: of 3 rows of {SBIN} that were committed 0 are there as they were sent. Another program, a"
        " trigger or a policy of the table changes or hides them: look for it; the next run brings them again."
    )
    host.base.run("DROP TRIGGER change ON equity_data")
    assert host.deliver().outcome.complete


def test_tables_of_the_lake_have_the_columns_that_the_settings_name(host: RowHost) -> None:
    host.delivery_changes = {"live": False, "tables": [CANDLES]}
    record(host)
    done = host.deliver()
    assert done.outcome.complete and done.describe()["tables"] == ["public.minutes"]
    rows = host.base.run(
        "SET timezone = 'UTC'",
        "SELECT begun, close, shares, is_final FROM minutes WHERE symbol = 'NSE:SBIN-EQ' ORDER BY 1",
    )
    assert [row[:3] for row in rows] == [(at(0), 800, 10), (at(1), 805, 10), (at(2), 802, 10)]
    assert {row[3] for row in rows} == {True}


def test_books_of_a_closed_day_are_rows_with_the_levels_that_are_named(host: RowHost) -> None:
    columns = {"symbol": "symbol", "received": "ts_recv", "run": "run_id", "seq": "seq", "entry": "entry"}
    columns |= {"bid": "bid_px_1", "bid_shares": "bid_qty_1", "ask": "ask_px_5", "is_valid": "valid"}
    books = {"name": "books", "rows": "depth", "columns": columns, "key": ["symbol", "run", "seq", "entry"]}
    host.changes, host.delivery_changes = {"feeds": ["fyers-rest"]}, {"live": False, "tables": [books]}
    recorder = HandRecorder(host.settings.journal_dir, host.clock)
    recorder.open_window(3)
    recorder.poll_all(0, 1, 2)
    recorder.close_window(3)
    recorder.stop()
    host.clock.now_ns = OPEN_NS + 430 * MINUTE_NS
    host.close()

    done = host.deliver()

    assert (
        done.outcome.complete and done.describe()["symbols"] == sorted([SBIN, INFY]) and done.describe()["records"] == 6
    )
    lake = open_lake(host.settings.lake_dir)
    wanted = lake.depth(SBIN, DAY, session="all", prices="decimal", invalid=True).arrow().to_pylist()
    rows = host.base.run("SELECT bid, bid_shares, ask, is_valid FROM books WHERE symbol = 'NSE:SBIN-EQ' ORDER BY seq")
    assert rows == [(row["bid_px_1"], row["bid_qty_1"], row["ask_px_5"], row["valid"]) for row in wanted]
    assert len(rows) == 3 and rows[0][0] > 0


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (CANDLES | {"columns": {"symbol": "symbol", "begun": "ts_begin", "x": "vwap"}}, "takes vwap, which candles"),
        (CANDLES | {"rows": "depth", "columns": {"symbol": "symbol", "begun": "ts_recv", "b": "bid_px_6"}}, "bid_px_6"),
    ],
)  # fmt: skip
def test_a_column_that_the_lake_does_not_have_is_named(host: RowHost, table: dict[str, Any], says: str) -> None:
    host.delivery_changes = {"live": False, "tables": [table]}
    with pytest.raises(ConfigError, match=says):
        host.open()


def test_what_is_delivered_is_due_once_the_bars_have_settled(host: RowHost) -> None:
    record(host)
    hours = (OPEN_NS, OPEN_NS + 375 * MINUTE_NS)
    source = DeliverySource(host.settings, lambda _: hours, "postgres")
    [due] = source.declare(DAY)
    assert (due.kind, due.name, due.remedy.endswith("sudo systemctl start harvester-rows")) == (
        "postgres",
        "rows",
        True,
    )
    assert source.find(due).met_ns is None
    host.deliver()
    assert source.find(due).proof == "4 tables of symbols are verified there"
    assert DeliverySource(host.settings, lambda _: hours).declare(DAY) == [], "it is no price feed"


def test_a_day_of_the_past_that_is_not_here_is_said(host: RowHost) -> None:
    done = host.deliver(DAY - timedelta(days=3))
    assert done.outcome.problems == [
        f"{DAY - timedelta(days=3)}: nothing of that day is recorded on this host. Name another --date."
    ]
    assert host.deliver(DAY - timedelta(days=1)).outcome.left_out == "there is no session"
