"""The model's figures against those measured on recorded markets, within stated tolerances."""

import json
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import sqrt
from statistics import mean, median

import pytest

from exchange.market.instruments import load_instruments
from exchange.market.model import BookModel
from exchange.market.sessions import CalendarSessions
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone

INSTRUMENTS = load_instruments()
FUTURE = "NSE:NIFTY26DECFUT"
STOCKS = ("HDFCBANK", "RELIANCE", "INFY", "SBIN")
DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def model():
    return BookModel(7, INSTRUMENTS, CalendarSessions(None))


@pytest.fixture
def measured(recorded_data):
    return json.loads((recorded_data / "calibration.json").read_text())


def at(hour, minute=0):
    return int(datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=zone()).timestamp()) * NS_PER_SECOND


@pytest.fixture(scope="module")
def future_books(model):
    return list(model.updates(FUTURE, at(11), at(13)))


@pytest.fixture(scope="module")
def stock_books(model):
    return {name: list(model.updates(f"NSE:{name}-EQ", at(11), at(13))) for name in STOCKS}


def share(pairs):
    values = list(pairs)
    return sum(values) / len(values)


def changed(books, key):
    return share(key(a) != key(b) for a, b in pairwise(books))


def quantile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * len(ordered)))]


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_levels_change_as_often_as_measured(future_books, measured, figure, side):
    name = side.removesuffix("s")
    worst = 0.0
    for level in range(5):
        wanted = measured["nifty_fut_5level"]["p_level_changes"][name][str(level + 1)]
        got = {
            "price": changed(future_books, lambda book, i=level: getattr(book, side)[i].price),
            "qty": changed(future_books, lambda book, i=level: getattr(book, side)[i].quantity),
            "either": changed(future_books, lambda book, i=level: getattr(book, side)[i][:2]),
        }
        worst = max(worst, *(abs(got[key] - wanted[key]) for key in wanted))
    figure(f"model_{name}_change_probability_error", round(worst, 3), bound="<= 0.08", unit="probability", gate=True)


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_gaps_between_levels_are_one_tick_as_often_as_measured(future_books, measured, figure, side):
    name, tick = side.removesuffix("s"), INSTRUMENTS[FUTURE].tick
    worst = 0.0
    for upper, key in enumerate(("1-2", "2-3", "3-4", "4-5")):
        wanted = measured["nifty_fut_5level"]["level_gap_ticks"][name][key]["1"]
        levels = (getattr(book, side) for book in future_books)
        got = share(abs(level[upper].price - level[upper + 1].price) == tick for level in levels)
        worst = max(worst, abs(got - wanted))
    figure(f"model_{name}_gap_share_error", round(worst, 3), bound="<= 0.06", unit="probability", gate=True)


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_quantities_have_the_measured_median_and_tail(future_books, measured, side):
    for level in range(5):
        wanted = measured["nifty_fut_5level"]["qty_lots"][side.removesuffix("s")][str(level + 1)]
        lots = [getattr(book, side)[level].quantity / INSTRUMENTS[FUTURE].lot for book in future_books]
        assert abs(median(lots) - wanted["p50"]) <= 1
        assert quantile(lots, 0.95) == pytest.approx(wanted["p95"], rel=0.15, abs=1)


def test_the_futures_spread_and_pace_are_as_measured(future_books, measured):
    wanted = measured["nifty_fut_5level"]
    tick = INSTRUMENTS[FUTURE].tick
    spreads = [(book.asks[0].price - book.bids[0].price) / tick for book in future_books]
    for key, p in (("p5", 0.05), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p95", 0.95)):
        assert quantile(spreads, p) == pytest.approx(wanted["spread_ticks"][key], abs=3)
    gaps = [(b.time_ns - a.time_ns) / NS_PER_SECOND for a, b in pairwise(future_books)]
    assert mean(gaps) == pytest.approx(wanted["gap_s"]["mean"], rel=0.05)
    assert quantile(gaps, 0.01) == pytest.approx(wanted["gap_s"]["p1"], abs=0.1)
    assert quantile(gaps, 0.99) == pytest.approx(wanted["gap_s"]["p99"], abs=0.2)


def test_the_futures_trades_are_as_measured(future_books, measured):
    wanted = measured["nifty_fut_5level"]
    assert changed(future_books, lambda book: book.volume) == pytest.approx(wanted["p_volume_changes"], abs=0.05)
    assert changed(future_books, lambda book: book.last_price) == pytest.approx(wanted["p_ltp_changes"], abs=0.10)
    outside = share(not b.bids[0].price <= b.last_price <= b.asks[0].price for b in future_books)
    assert outside == pytest.approx(wanted["p_ltp_outside_l1_quote"], abs=0.08)
    same = share(a.bids == b.bids and a.asks == b.asks for a, b in pairwise(future_books))
    assert same == pytest.approx(wanted["p_whole_book_identical"], abs=0.02)


@pytest.mark.long
@pytest.mark.parametrize("name", STOCKS)
def test_stocks_update_and_trade_as_measured(stock_books, measured, name):
    books, wanted = stock_books[name], measured["per_symbol_summary"][name]
    rate = len(books) / 7200
    assert rate == pytest.approx(wanted["depth_updates_per_second_5_level_feed_cited"], rel=0.05)
    assert changed(books, lambda b: b.last_price) == pytest.approx(wanted["p_ltp_changes_per_row_2021"], abs=0.10)
    assert changed(books, lambda b: b.volume) == pytest.approx(wanted["p_volume_changes_per_row_2021"], abs=0.03)


@pytest.mark.long
def test_stock_spreads_in_basis_points_are_as_cited(stock_books, measured):
    wanted = measured["cited_nse_equity_rates"]["spread_bps"]["5_level_feed"]
    medians, tails = [], []
    for books in stock_books.values():
        spreads = [(b.asks[0].price - b.bids[0].price) / b.bids[0].price * 1e4 for b in books]
        medians.append(median(spreads))
        tails.append(quantile(spreads, 0.95))
    assert mean(medians) == pytest.approx(wanted["median"], rel=0.2)
    assert mean(tails) == pytest.approx(wanted["p95"], rel=0.2)


@pytest.mark.parametrize(
    "name",
    ["SBIN", *(pytest.param(each, marks=pytest.mark.long) for each in ("HDFCBANK", "RELIANCE", "ADANIENT", "INFY"))],
)
def test_volatility_and_volume_have_the_measured_shape_of_the_day(model, measured, name, figure):
    wanted = measured["per_symbol_summary"][name]
    first, midday, last, volumes, starts, ends = [], [], [], [], [], []
    for offset in range(90):
        plan = model.plan(f"NSE:{name}-EQ", date(2026, 3, 2) + timedelta(days=offset))
        if plan is None:
            continue
        minutes = [piece for piece in plan.slices() if piece.trading]
        returns = [minutes[i + 4].close / minutes[i].open - 1 for i in range(0, len(minutes) - 4, 5)]
        first += returns[:3]
        midday += returns[39:45]
        last += returns[-6:]
        total = sum(piece.volume for piece in minutes)
        volumes.append(total)
        starts.append(sum(piece.volume for piece in minutes[:15]) / total)
        ends.append(sum(piece.volume for piece in minutes[-30:]) / total)
    measured_bps = dict(zip(("open", "midday", "close"), wanted["rms_5min_return_bps_open_midday_close"], strict=True))
    for part, returns in {"open": first, "midday": midday, "close": last}.items():
        off = abs(sqrt(mean(value * value for value in returns)) * 1e4 / measured_bps[part] - 1)
        figure(f"model_{name}_{part}_volatility_off", round(off, 3), bound="<= 0.25", unit="share", gate=True)
    assert median(volumes) == pytest.approx(wanted["median_daily_volume_2023_24"], rel=0.25)
    assert mean(starts) == pytest.approx(wanted["volume_share_first_15min_and_last_30min"][0], rel=0.2)
    assert mean(ends) == pytest.approx(wanted["volume_share_first_15min_and_last_30min"][1], rel=0.2)


def test_the_packaged_figures_are_those_measured(measured):
    """The package holds its own copy of the numbers it needs: this keeps the two from drifting apart."""
    from importlib.resources import files

    own = json.loads(files("exchange.market").joinpath("parameters.json").read_text())
    future = measured["nifty_fut_5level"]
    assert own["future"]["p_trade"] == future["p_volume_changes"]
    for side in ("bid", "ask"):
        for key in ("price", "qty", "either"):
            assert own["p_level_changes"][side][key] == [
                future["p_level_changes"][side][str(level)][key] for level in range(1, 6)
            ]
    for name, summary in measured["per_symbol_summary"].items():
        assert own["instruments"][f"NSE:{name}-EQ"]["daily_volume"] == summary["median_daily_volume_2023_24"]
