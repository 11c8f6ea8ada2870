"""Candles are what the books showed."""

import time
from datetime import date, datetime
from itertools import pairwise

import pytest

from exchange.market.history import candles, parse_request
from exchange.market.instruments import load_instruments
from exchange.market.model import BookModel
from exchange.market.sessions import CalendarSessions
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone

INSTRUMENTS = load_instruments()
SYMBOL = "NSE:INFY-EQ"


def at(hour, minute=0, second=0):
    return int(datetime(2026, 11, 20, hour, minute, second, tzinfo=zone()).timestamp()) * NS_PER_SECOND


@pytest.fixture
def model():
    return BookModel(3, INSTRUMENTS, CalendarSessions(None))


def ask(model, resolution, first, last, now_ns, oi="0", symbol=SYMBOL):
    query = {
        "symbol": symbol, "resolution": resolution, "date_format": "1", "range_from": first, "range_to": last,
        "oi_flag": oi,
    }  # fmt: skip
    return candles(model, parse_request(query, now_ns), now_ns)


def rupees(paise):
    return paise / 100


def test_minute_candles_are_made_of_the_trades_that_the_books_showed(model):
    rows = {row[0]: row for row in ask(model, "1", "2026-11-20", "2026-11-20", at(20))}
    books = list(model.updates(SYMBOL, at(9, 0), at(16), levels=1))
    trades = {}
    for before, after in pairwise(books):
        if after.volume > before.volume:
            minute = after.last_trade_ns // (60 * NS_PER_SECOND) * 60
            trades.setdefault(minute, []).append((after.last_price, after.volume - before.volume))
    assert sorted(rows) == sorted(trades) and len(rows) == 360
    for minute, prints in trades.items():
        prices = [rupees(price) for price, _ in prints]
        expected = [prices[0], max(prices), min(prices), prices[-1], sum(amount for _, amount in prints)]
        assert rows[minute][1:] == pytest.approx(expected)


def test_the_day_candle_agrees_with_the_last_book(model):
    (row,) = ask(model, "D", "2026-11-20", "2026-11-20", at(20))
    book = model.book_at(SYMBOL, at(20))
    assert row[1:] == pytest.approx(
        [rupees(p) for p in (book.open, book.high, book.low, book.last_price)] + [book.volume]
    )
    assert row[0] == int(datetime.fromisoformat("2026-11-20T00:00:00+00:00").timestamp())


@pytest.mark.parametrize("resolution", ["1", "5", "15", "30S", "60"])
def test_a_candle_in_progress_ends_with_the_last_trade(model, resolution):
    now = at(11, 17, 40)
    row = ask(model, resolution, "2026-11-20", "2026-11-20", now)[-1]
    book = model.book_at(SYMBOL, now)
    assert row[4] == pytest.approx(rupees(book.last_price)) and row[0] <= now // NS_PER_SECOND


@pytest.mark.parametrize(
    ("resolution", "seconds"), [("5S", 5), ("30S", 30), ("3", 180), ("10", 600), ("30", 1800), ("240", 14_400)]
)
def test_each_resolution_sums_to_the_same_day(model, resolution, seconds):
    rows = ask(model, resolution, "2026-11-20", "2026-11-20", at(20))
    book = model.book_at(SYMBOL, at(20))
    assert sum(row[5] for row in rows) == book.volume
    assert max(row[2] for row in rows) == pytest.approx(rupees(book.high))
    assert min(row[3] for row in rows) == pytest.approx(rupees(book.low))
    assert all((row[0] - at(9, 15) // NS_PER_SECOND) % seconds == 0 for row in rows)
    assert all(a[0] < b[0] for a, b in pairwise(rows))


def test_weeks_and_months_group_days(model):
    days = ask(model, "D", "2026-08-01", "2026-11-20", at(20))
    weeks = ask(model, "1W", "2026-08-01", "2026-11-20", at(20))
    months = ask(model, "1M", "2026-08-01", "2026-11-20", at(20))
    assert sum(r[5] for r in days) == sum(r[5] for r in weeks) == sum(r[5] for r in months)
    assert len(months) == 4 and len(weeks) == 16
    closed = {date(2026, 9, 14), date(2026, 10, 2), date(2026, 10, 20), date(2026, 11, 10)}
    assert not closed & {datetime.fromtimestamp(row[0], zone()).date() for row in days}


def test_open_interest_comes_when_asked_for(model):
    rows = ask(model, "15", "2026-11-20", "2026-11-20", at(20), oi="1", symbol="NSE:NIFTY26DECFUT")
    assert len(rows) == 26 and all(len(row) == 7 and row[6] > 0 for row in rows)
    assert {len(row) for row in ask(model, "15", "2026-11-20", "2026-11-20", at(20))} == {6}


def test_a_holiday_has_no_candles(model):
    assert ask(model, "1", "2026-11-21", "2026-11-22", at(20)) == []


@pytest.mark.long
def test_a_year_of_days_takes_seconds_at_most(model, figure):
    began = time.process_time()
    rows = ask(model, "D", "2025-11-20", "2026-11-20", at(20))
    figure("history_year_of_days", round(time.process_time() - began, 2), bound="<= 6", unit="s")
    assert 240 <= len(rows) <= 255
