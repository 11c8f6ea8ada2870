"""Properties of the order books that hold for any seed, symbol, day and instant."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from exchange.market.instruments import load_instruments
from exchange.market.model import BookModel
from exchange.market.sessions import AlwaysOpen, CalendarSessions
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local, zone
from harvester.calendar import Phase, Session

INSTRUMENTS = load_instruments()
SYMBOLS = sorted(INSTRUMENTS)
FRIDAY = date(2026, 11, 20)


def at(hour, minute, second=0, day=FRIDAY):
    return int(datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone()).timestamp()) * NS_PER_SECOND


def nse(seed=1):
    return BookModel(seed, INSTRUMENTS, CalendarSessions(None))


class OneDay:
    """A calendar with one session of the given phases, in seconds after midnight."""

    def __init__(self, *phases, day=FRIDAY):
        start = midnight_ns(day)
        spans = [Phase(name, start + int(a * NS_PER_SECOND), start + int(b * NS_PER_SECOND)) for name, a, b in phases]
        self._session = Session(day, "test", tuple(spans))

    def session(self, day):
        return self._session if day == self._session.date else None

    def of(self, instrument):
        return self


def check_book(book, instrument):
    """What must be true of every book in continuous trading."""
    bids = [level for level in book.bids if level.price]
    asks = [level for level in book.asks if level.price]
    assert all(a.price > b.price for a, b in pairwise(bids)) and all(a.price < b.price for a, b in pairwise(asks))
    assert not bids or not asks or bids[0].price < asks[0].price
    lot = max(1, instrument.lot)
    for level in bids + asks:
        assert isinstance(level.price, int) and level.price % instrument.tick == 0
        assert book.lower_circuit <= level.price <= book.upper_circuit
        assert level.quantity > 0 and level.quantity % lot == 0 and 0 < level.orders <= level.quantity
    assert book.last_price % instrument.tick == 0
    if book.volume:
        assert book.low <= min(book.open, book.last_price) <= max(book.open, book.last_price) <= book.high
        assert book.low <= book.average_price <= book.high
        assert 0 < book.last_quantity <= book.volume


def check_run(books, instrument):
    """What must be true from one book to the next of the same day."""
    for book in books:
        check_book(book, instrument)
    for before, after in pairwise(books):
        assert before.time_ns < after.time_ns and before.sequence + 1 == after.sequence
        assert before.volume <= after.volume and before.high <= after.high
        assert after.low <= before.low or not before.low
        assert before.last_trade_ns <= after.last_trade_ns <= after.time_ns
        if before.volume == after.volume:
            assert before.last_price == after.last_price


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_books_of_an_hour_keep_the_rules(symbol):
    books = list(nse().updates(symbol, at(9, 15), at(10, 15)))
    check_run(books, INSTRUMENTS[symbol])


@examples(40)
@given(
    seed=st.integers(0, 2**31),
    symbol=st.sampled_from(SYMBOLS),
    opens=st.floats(0, 86_000),
    length=st.floats(0.5, 400),
    pre=st.floats(0, 100),
    after=st.floats(0.5, 100),
)
def test_sessions_of_any_length_keep_the_rules(seed, symbol, opens, length, pre, after):
    phases = [("continuous", opens, opens + length), ("closing_auction", opens + length, opens + length + after)]
    if 0.5 < pre < opens:
        phases.insert(0, ("pre_open", opens - pre, opens))
    model = BookModel(seed, INSTRUMENTS, OneDay(*phases))
    day = midnight_ns(FRIDAY)
    books = list(model.updates(symbol, day, day + 90_000 * NS_PER_SECOND))
    check_run(books, INSTRUMENTS[symbol])
    assert books[-1].volume > 0


@examples(10)
@given(moments=st.lists(st.integers(at(0, 0), at(23, 59)), min_size=2, max_size=5), symbol=st.sampled_from(SYMBOLS))
def test_a_book_does_not_depend_on_what_was_asked_before(moments, symbol):
    model = nse()
    forward = [model.book_at(symbol, moment) for moment in moments]
    backward = [nse().book_at(symbol, moment) for moment in reversed(moments)]
    assert forward == backward[::-1]


def test_two_runs_with_the_same_seed_agree_and_another_seed_does_not():
    hour = (at(11, 0), at(11, 10))
    first, second, other = (list(nse(seed).updates("NSE:INFY-EQ", *hour)) for seed in (5, 5, 6))
    assert first == second and first != other


def test_the_book_at_an_instant_is_the_last_update_until_then():
    books = list(nse().updates("NSE:SBIN-EQ", at(9, 59), at(10, 3)))
    model = nse()
    assert len(books) > 100
    for before, after in pairwise(books):
        for moment in (before.time_ns, (before.time_ns + after.time_ns) // 2, after.time_ns - 1):
            assert model.book_at("NSE:SBIN-EQ", moment) == before


def test_a_stream_can_start_anywhere():
    whole = list(nse().updates("NSE:SBIN-EQ", at(10, 0), at(10, 10)))
    part = list(nse().updates("NSE:SBIN-EQ", at(10, 5), at(10, 10)))
    assert part == [book for book in whole if book.time_ns >= at(10, 5)]


def test_more_levels_keep_the_first_five_prices_in_order():
    book = nse().book_at("NSE:SBIN-EQ", at(11, 0), levels=50)
    assert len(book.bids) == len(book.asks) == 50
    check_book(book, INSTRUMENTS["NSE:SBIN-EQ"])


@pytest.mark.parametrize(
    ("closed", "last"),
    [
        (at(15, 40), at(15, 36)),
        (at(8, 0, day=date(2026, 11, 23)), at(20, 0)),
        (at(12, 0, day=date(2026, 11, 22)), at(20, 0)),
        (at(12, 0, day=date(2026, 11, 24)), at(20, 0, day=date(2026, 11, 23))),
    ],
)
def test_books_stand_still_while_the_market_is_closed(closed, last):
    model = nse()
    assert model.book_at("NSE:INFY-EQ", closed) == model.book_at("NSE:INFY-EQ", last)
    assert model.book_at("NSE:INFY-EQ", closed) == model.book_at("NSE:INFY-EQ", closed + 60 * NS_PER_SECOND)


def test_before_the_first_trade_of_the_day_there_is_no_day_yet():
    book = nse().book_at("NSE:INFY-EQ", at(9, 5))
    assert (book.volume, book.open, book.high, book.low, book.average_price) == (0, 0, 0, 0, 0)
    assert book.last_price == book.previous_close and to_local(book.last_trade_ns).date() < FRIDAY


def test_nothing_trades_in_the_closing_auction_and_its_book_moves():
    books = list(nse().updates("NSE:INFY-EQ", at(15, 16), at(15, 30)))
    assert len({book.volume for book in books}) == 1 and len({book.last_price for book in books}) == 1
    assert len({book.bids for book in books}) > 10


def test_each_day_begins_from_the_close_of_the_day_before():
    model, day = nse(), date(2026, 9, 1)
    close = None
    for offset in range(60):
        plan = model.plan("NSE:HDFCBANK-EQ", day + timedelta(days=offset))
        if plan:
            assert close in (None, plan.previous_close)
            close = [piece.close for piece in plan.slices()][-1]
    assert close


def test_the_circuit_limits_are_a_tenth_from_the_previous_close():
    model = nse()
    book, limits = model.book_at("NSE:INFY-EQ", at(11, 0)), model.limits("NSE:INFY-EQ", at(11, 0))
    assert (limits.lower, limits.upper) == (book.lower_circuit, book.upper_circuit)
    assert book.lower_circuit == pytest.approx(0.9 * book.previous_close, abs=10)
    assert book.upper_circuit == pytest.approx(1.1 * book.previous_close, abs=10)


def test_a_changed_calendar_changes_the_session(tmp_path):
    import json

    path = tmp_path / "calendar.json"

    def write(opens):
        rule = {"from": "2026-01-01", "to": None, "phases": {"continuous": [[opens, "12:00:00"]]}, "reference": "test"}
        data = {"timezone": "Asia/Kolkata", "market": "t", "valid_until": "2026-12-31", "phase_rules": [rule]}
        (tmp_path / "new").write_text(json.dumps(data))
        (tmp_path / "new").replace(path)

    write("11:00:00")
    sessions = CalendarSessions(path)
    model = BookModel(1, INSTRUMENTS, sessions)
    assert model.book_at("NSE:SBIN-EQ", at(10, 30)).time_ns < at(10, 0)
    assert not sessions.reload_if_changed()
    write("10:00:00")
    assert sessions.reload_if_changed()
    model.forget()
    assert model.book_at("NSE:SBIN-EQ", at(10, 30)).time_ns > at(10, 0)


def test_a_market_that_never_closes_runs_over_midnight():
    model = BookModel(1, INSTRUMENTS, AlwaysOpen())
    books = list(model.updates("NSE:SBIN-EQ", at(23, 59), at(23, 59) + 120 * NS_PER_SECOND))
    assert books[0].volume > books[-1].volume > 0
    assert max(b.time_ns - a.time_ns for a, b in pairwise(books)) < 4 * NS_PER_SECOND
