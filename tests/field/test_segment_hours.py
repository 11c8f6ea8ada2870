"""The exchange trades each segment in hours of its own, and its master says so when a calendar does not know them."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from tests.recorder.fakes import make_config

from exchange.arguments import segment_hours
from exchange.market.instruments import load_instruments
from exchange.market.model import BookModel
from exchange.market.sessions import CalendarSessions, segment_of, state_hours
from harvester.base.market import midnight_ns, to_local
from harvester.calendar.segments import Hours

SBIN, FUTURE = "NSE:SBIN-EQ", "NSE:NIFTY26DECFUT"
FRIDAY = date(2026, 11, 27)


def last_minute(model: BookModel, symbol: str) -> str:
    """When the symbol's last slice of the day ends."""
    plan = model.plan(symbol, FRIDAY)
    assert plan
    return f"{to_local(plan[len(plan) - 1].end_ns):%H:%M}"


def test_books_move_to_the_close_of_their_own_segment() -> None:
    instruments = load_instruments()
    by_calendar = BookModel(1, instruments, CalendarSessions(None))
    longer = BookModel(1, instruments, CalendarSessions(None, {"nse_fo": Hours("0915", "1550")}))

    assert (last_minute(by_calendar, SBIN), last_minute(by_calendar, FUTURE)) == ("15:35", "15:40")
    assert (last_minute(longer, SBIN), last_minute(longer, FUTURE)) == ("15:35", "15:50")
    evening = midnight_ns(FRIDAY) + (15 * 60 + 45) * 60 * 10**9
    assert by_calendar.book_at(FUTURE, evening).time_ns < evening - 4 * 60 * 10**9, "it stands still after the close"


def test_the_master_states_the_hours_that_were_asked_for() -> None:
    stated = state_hours(load_instruments(), dict([segment_hours("nse_fo=0915-1550")]))

    assert {symbol: stated[symbol].row[6] for symbol in (SBIN, FUTURE)} == {
        SBIN: "0915-1530|1815-1915:", FUTURE: "0915-1550|1815-1915:"
    }  # fmt: skip
    gold = stated[FUTURE]._replace(token="1120261205435823")
    hours = ("0900-2330|", "0900-2100|", "0900-1700|")
    classes = [gold._replace(row=(*gold.row[:6], each, *gold.row[7:])) for each in hours]
    assert [segment_of(each) for each in classes] == ["mcx", "mcx_agri_global", "mcx_agri"]


def test_a_host_is_told_that_the_exchange_trades_longer_than_its_calendar_knows(tmp_path: Path) -> None:
    config = make_config(tmp_path, symbols=[SBIN, FUTURE])
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    program = str(Path(sys.executable).with_name("exchange"))
    serve = [program, "run", "--state", str(tmp_path / "exchange"), "--segment-hours", "nse_fo=0915-1550", "--"]
    look = [sys.executable, "-m", "harvester", "config", "--config", str(tmp_path / "config.json"), "topics"]

    done = subprocess.run([*serve, *look], capture_output=True, text=True, check=True, timeout=60)

    found = json.loads(done.stdout)
    assert found["segments"] == {SBIN: "nse_cash", FUTURE: "nse_fo"}
    assert found["contradictions"] == [
        f"nse_fo: the symbol master says 09:15-15:50, the calendar 09:15-15:40, for 1 symbol such as {FUTURE}"
    ]


def test_the_option_is_explained_and_refuses_what_it_does_not_know() -> None:
    program = str(Path(sys.executable).with_name("exchange"))
    helped = subprocess.run([program, "serve", "--help"], capture_output=True, text=True, check=True)

    assert "--segment-hours" in helped.stdout
    assert "--holiday-list" in helped.stdout
    for text in ("moon=0915-1530", "nse_fo", "nse_fo=1530-0915", "nse_fo=0915-2400"):
        with pytest.raises(Exception, match="must be a segment and its hours"):
            segment_hours(text)
