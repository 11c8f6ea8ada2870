"""Trades inferred from quotes that were recorded on real days: no share is lost, and none counts twice."""

import csv
import gzip
from datetime import datetime
from pathlib import Path

import pytest
from tests.trade_walk import Quote, Sight, from_matrix, to_matrix, walk

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.tables.trades import LATE, RESETS, Trades, Watched

ALWAYS = [(0, 2**62)]
PIECE = 4096
STOCKS = [
    *(f"{day}_{name}" for day in ("2021-04-12", "2021-04-13", "2021-04-15") for name in ("HDFCBANK", "INFY", "SBIN")),
    *("2021-04-12_RELIANCE", "2021-04-13_RELIANCE", "2021-04-15_RELIANCE"),
    *("quirk_outage_1h_2021-03-31_HDFCBANK", "quirk_preopen_2021-05-06_RELIANCE"),
]


def paise(text: str) -> int:
    return round(float(text) * 100)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+05:30").timestamp()) * NS_PER_SECOND


def ticks(path: Path) -> list[Quote]:
    """Time, last price and the day's volume, in the order in which they came: within a second it is not theirs."""
    with gzip.open(path, "rt") as file:
        return [
            Quote(number, int(float(row["volume"])), paise(row["ltp"]), None, moment(row["timestamp"]), seq=number)
            for number, row in enumerate(csv.DictReader(file))
        ]


def infer(quotes: list[Quote], gaps: list[tuple[int, int]]) -> tuple[list, Trades]:  # type: ignore[type-arg]
    trades = Trades(Watched(ALWAYS, gaps), Watched((), ()))
    pieces = [quotes[at : at + PIECE] for at in range(0, len(quotes), PIECE)]
    return [row for piece in pieces for row in from_matrix(trades.see(to_matrix(piece)))], trades


@pytest.mark.parametrize("name", STOCKS)
def test_a_day_of_a_stock(recorded_data: Path, name: str) -> None:
    quotes = ticks(recorded_data / f"nse_ticks_2021/{name}.csv.gz")

    rows, trades = infer(quotes, [])

    assert trades.figures[LATE] > 100, "such a day has rows that came late"
    assert trades.figures[RESETS] == 0
    assert {row.kind for row in rows} == {"unmatched"}, "the last print's quantity was not recorded"
    assert sum(row.shares for row in rows) == max(quote.volume or 0 for quote in quotes) - (quotes[0].volume or 0)


def test_a_file_that_goes_on_into_the_next_day(recorded_data: Path) -> None:
    """Rows of 1970 between the days, and a volume that begins at 0 again, from which on shares are counted anew."""
    quotes = ticks(recorded_data / "nse_ticks_2021/quirk_epoch0_nextday_2021-04-16_SBIN.csv.gz")

    rows, trades = infer(quotes, [])

    assert trades.figures[RESETS] == 1
    start = next(at for at, quote in enumerate(quotes) if quote.volume == 0)
    highest = [max(quote.volume or 0 for quote in part) for part in (quotes[:start], quotes[start:])]
    assert sum(row.shares for row in rows) == highest[0] - (quotes[0].volume or 0) + highest[1]


def test_three_minutes_of_a_future(recorded_data: Path) -> None:
    """Volume, last price and last quantity of each update, and the book before it."""
    with (recorded_data / "dhan_nifty_fut_l2/full_5level_124702_125000.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["type"] == "full"]
    quotes = [
        Quote(
            *(number, int(row["volume"]), paise(row["ltp"]), int(row["ltq"]), None),
            *(paise(row["bid_price_1"]), paise(row["ask_price_1"])),
            seq=number,
        )
        for number, row in enumerate(rows)
    ]
    lost = (100, 120)

    found, trades = infer(quotes, [lost])

    assert (found, 0, 0) == walk(quotes, Sight(ALWAYS, [lost]))
    assert sum(row.shares for row in found) == (quotes[-1].volume or 0) - (quotes[0].volume or 0)
    assert all(row.shares % 75 == 0 for row in found), "whole lots"
    kinds = trades.certify()
    assert min(kinds["print"], kinds["aggregate"]) > 30 and kinds["gap"] > 0 == kinds["unmatched"]
    assert {row.kind for row in found if lost[0] < row.recv <= lost[1]} == {"gap"}
    assert {row.side for row in found if row.kind == "print"} >= {"buy", "sell"}
