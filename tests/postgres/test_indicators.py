"""SMA9 and VWAP: exact, the same bar by bar as all at once, and where TA-Lib and talipp agree."""

import csv
import gzip
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st
from talipp import indicators, ohlcv
from tests.conftest import RECORDED_DATA
from tests.examples import examples

from harvester.indicators.averages import SMA_BARS, RunningAverages, averages_of, round_price

QQQ = RECORDED_DATA / "qqq_ohlcv_1min" / "QQQ_20190211_20190213.csv.gz"
UNITS = 10_000
BARS = st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9)), max_size=40)


class Row(NamedTuple):
    """A bar of the recorded day: prices as the file has them, and in ten-thousandths."""

    open: float
    high: float
    low: float
    close: float
    volume: int
    exact: int


def read_day(path: Path = QQQ) -> list[Row]:
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rt") as file:
        found = [row for row in csv.DictReader(file) if row["datetime"].startswith("2019-02-11")]
    found.sort(key=lambda row: row["datetime"])
    prices = ("open", "high", "low", "close")
    return [
        Row(*(float(row[name]) for name in prices), int(row["volume"]), int(Decimal(row["close"]) * UNITS))
        for row in found
    ]


def test_the_first_bars_have_the_mean_of_what_there_is_and_the_tenth_forgets_the_first() -> None:
    found = averages_of([(close * 100, 1) for close in range(1, 12)])
    assert [each.sma9 for each in found[:3]] == [100, 150, 200]
    assert found[8].sma9 == 500 and found[9].sma9 == 600 and found[10].sma9 == 700


def test_vwap_weighs_each_close_by_its_volume_and_is_unknown_until_something_trades() -> None:
    found = averages_of([(500, 0), (100, 1), (200, 3), (900, 0)])
    assert [each.vwap for each in found] == [None, 100, 175, 175]


@pytest.mark.parametrize(
    ("value", "units", "price"),
    [
        (Fraction(80050), 100, "800.50"),
        (Fraction(1, 2), 100, "0.00"),
        (Fraction(3, 2), 100, "0.02"),
        (1234550, 10_000, "123.46"),
        (1234450, 10_000, "123.44"),
        (Fraction(1234450) + Fraction(1, 10**9), 10_000, "123.45"),
    ],
)
def test_a_price_is_rounded_half_to_even_at_the_delivery(value: Fraction | int, units: int, price: str) -> None:
    assert str(round_price(value, units)) == price


@given(BARS)
@examples(100)
def test_bar_by_bar_is_what_the_whole_day_gives(bars: list[tuple[int, int]]) -> None:
    running = RunningAverages()
    step_by_step = [running.add(*bar) for bar in bars]
    for number, found in enumerate(step_by_step, 1):
        seen = bars[:number]
        last, volume = [close for close, _ in seen[-SMA_BARS:]], sum(volume for _, volume in seen)
        assert found.sma9 == Fraction(sum(last), len(last))
        assert found.vwap == (Fraction(sum(close * size for close, size in seen), volume) if volume else None)
    assert averages_of(bars) == step_by_step
    for first in {0, 1, len(bars) // 2, len(bars)}:
        assert averages_of(bars, first) == step_by_step[first:]


def test_a_real_day_of_qqq_beside_exact_decimals() -> None:
    day = read_day()
    assert len(day) == 390
    found = averages_of([(row.exact, row.volume) for row in day])
    cent = Decimal("0.01")
    for number, each in enumerate(found, 1):
        last = [Decimal(row.exact) for row in day[max(0, number - SMA_BARS) : number]]
        mean = sum(last) / len(last) / UNITS
        assert round_price(each.sma9, UNITS) == mean.quantize(cent, ROUND_HALF_EVEN)
    differ = sum(round(sum(row.close for row in day[max(0, n - 9) : n]) / min(n, 9), 2) != float(
        round_price(found[n - 1].sma9, UNITS)) for n in range(1, 391))  # fmt: skip
    assert 0 < differ < 10, "binary fractions round some halves otherwise"
    assert sum(row.exact % 100 != 0 for row in day) == 53, "closes that numeric(10,2) does not hold"


def test_ta_lib_and_talipp_agree_where_their_definitions_do() -> None:
    """TA-Lib and talipp have no SMA before the ninth close; talipp's VWAP weighs (high + low + close) / 3."""
    day = read_day()
    found = averages_of([(row.exact, row.volume) for row in day])
    ours = [float(each.sma9) / UNITS for each in found]

    theirs = talib.SMA(numpy.array([row.close for row in day]), SMA_BARS)
    assert numpy.isnan(theirs[: SMA_BARS - 1]).all()
    assert numpy.allclose(theirs[SMA_BARS - 1 :], ours[SMA_BARS - 1 :], rtol=0, atol=1e-9)
    moving = list(indicators.SMA(SMA_BARS, [row.close for row in day]))
    assert moving[: SMA_BARS - 1] == [None] * (SMA_BARS - 1)
    assert numpy.allclose(moving[SMA_BARS - 1 :], ours[SMA_BARS - 1 :], rtol=0, atol=1e-9)

    def vwap(*typical: list[float]) -> list[float]:
        rows = [
            ohlcv.OHLCV(0.0, high, low, close, row.volume) for row, high, low, close in zip(day, *typical, strict=True)
        ]
        return [round(value, 2) for value in indicators.VWAP(rows)]

    exact = [float(round_price(each.vwap or 0, UNITS)) for each in found]
    closes = [row.close for row in day]
    assert sum(a != b for a, b in zip(vwap(closes, closes, closes), exact, strict=True)) <= 2, "the same but for halves"
    typical = vwap([row.high for row in day], [row.low for row in day], closes)
    assert sum(abs(a - b) > 0.004 for a, b in zip(typical, exact, strict=True)) == 116
    assert max(abs(a - b) for a, b in zip(typical, exact, strict=True)) == pytest.approx(0.07)
