"""Answers have every stored row, flat, in rupees, in the order of receipt; and no column is lost on the way."""

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.lake_rows import rows
from tests.storage.lake.sockets import INFY, NIFTY, SBIN
from tests.storage.reader.days import DAYS, FRIDAY, GAP, ITC, MONDAY, PRE_OPEN_SECONDS, SECONDS, TCS, THURSDAY, opening
from tests.storage.reader.stored import stored

from harvester.base.market import NSE
from harvester.reader import Lake, open_lake
from harvester.reader.arguments import parse_range
from harvester.reader.errors import OutsideError, TooLargeError
from harvester.reader.rows import in_order


def test_the_days_hosts_and_symbols_that_there_are(lake: Lake) -> None:
    assert lake.days() == list(DAYS)
    assert lake.hosts(MONDAY) == ["lab1", "lab2"]
    assert lake.symbols("2026-11-19") == [INFY, NIFTY, SBIN]
    assert lake.symbols(FRIDAY) == [ITC, SBIN, TCS]
    instruments = lake.instruments(FRIDAY).arrow().to_pylist()
    assert [(row["symbol"], row["feeds"]) for row in instruments] == [
        (ITC, ["fyers-rest"]), (SBIN, ["fyers-hsm"]), (TCS, ["fyers-hsm"])
    ]  # fmt: skip
    of_two = lake.instruments(MONDAY).arrow().to_pylist()
    assert [(row["host"], row["symbol"]) for row in of_two] == [("lab1", SBIN), ("lab2", TCS)]


def test_prices_of_instruments_are_as_they_are_asked_for(lake: Lake) -> None:
    asked = {"rupees": pa.float64(), "decimal": pa.decimal128(18, 2), "paise": pa.int64()}
    for prices, kind in asked.items():
        assert lake.instruments(FRIDAY, prices=prices).arrow().schema.field("tick").type == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(("day", "symbol"), [(THURSDAY, SBIN), (FRIDAY, SBIN), (FRIDAY, ITC), (MONDAY, SBIN)])
def test_each_book_is_there_once_in_the_order_of_receipt(folder: Path, lake: Lake, day: Any, symbol: str) -> None:
    books = lake.depth(symbol, day, session="all", origin=True, prices="paise").arrow().to_pylist()

    wanted = stored(folder, "depth", day, symbol)
    assert len(books) == len(wanted) > 10
    for row, was in zip(books, wanted, strict=True):
        assert [row[f"bid_px_{n}"] for n in range(1, 6)] == was["bid_px"]
        assert [row[f"ask_qty_{n}"] for n in range(1, 6)] == was["ask_qty"]
        assert [row[f"ask_ord_{n}"] for n in range(1, 6)] == was["ask_ord"]
        assert (row["symbol"], row["feed"], row["run_id"], row["seq"], row["entry"]) == tuple(
            was[name] for name in ("symbol", "feed", "run_id", "seq", "entry")
        )


def test_times_are_exact_zone_aware_and_in_the_zone_asked_for(folder: Path, lake: Lake) -> None:
    utc = lake.depth(ITC, FRIDAY, origin=True).arrow()
    india = lake.depth(ITC, FRIDAY, origin=True, tz="Asia/Kolkata").arrow()

    assert utc.schema.field("ts_recv").type == pa.timestamp("ns", "UTC")
    assert india.schema.field("ts_sched").type == pa.timestamp("ns", "Asia/Kolkata")
    wanted = stored(folder, "depth", FRIDAY, ITC)
    for table in (utc, india):
        assert table.column("ts_recv").cast(pa.int64()).to_pylist() == [row["ts_recv"] for row in wanted]
        assert table.column("ts_sched").cast(pa.int64()).to_pylist() == [row["ts_sched"] for row in wanted]
    quotes = lake.quotes(ITC, FRIDAY).arrow()
    traded = [row["ts_trade"] for row in stored(folder, "quotes", FRIDAY, ITC)]
    assert quotes.column("ts_trade").cast(pa.int64()).to_pylist() == traded
    assert traded[0] % 10**9 == 0 < traded[0]


def test_prices_are_rupees_decimals_or_paise(folder: Path, lake: Lake) -> None:
    [first, *_] = stored(folder, "depth", FRIDAY, ITC)
    paise = first["bid_px"][0]

    forms = {form: lake.depth(ITC, FRIDAY, prices=form).arrow() for form in ("rupees", "decimal", "paise")}

    assert forms["rupees"]["bid_px_1"][0].as_py() == paise / 100
    assert forms["rupees"].schema.field("bid_px_1").type == pa.float64()
    assert forms["decimal"]["bid_px_1"][0].as_py() == Decimal(paise) / 100
    assert forms["paise"]["bid_px_1"][0].as_py() == paise


def test_trades_have_what_is_stored_and_add_up(newest: Path) -> None:
    wanted = stored(newest, "trades", THURSDAY, SBIN)
    lake = open_lake(newest)
    rows = lake.trades(SBIN, THURSDAY, session="all", prices="paise", origin=True).arrow().to_pylist()
    [first, *_] = lake.trades(SBIN, THURSDAY, session="all", prices="decimal", tz="Asia/Kolkata").arrow().to_pylist()
    volumes = lake.quotes(SBIN, THURSDAY, session="all").arrow()["volume"].to_pylist()

    names = ("px", "qty", "last_qty", "volume", "kind", "side_inferred", "run_id", "seq", "entry")
    assert [tuple(row[name] for name in names) for row in rows] == [
        tuple(was[name] for name in names) for was in wanted
    ]
    assert sum(row["qty"] for row in rows) == max(volumes) - volumes[0] > 0
    assert first["px"] == Decimal(wanted[0]["px"]) / 100 and first["ts_event"].utcoffset().total_seconds() == 19_800


def test_a_session_is_what_was_asked_for(folder: Path, lake: Lake) -> None:
    opens = opening(THURSDAY)
    received = {row["ts_recv"] for row in stored(folder, "depth", THURSDAY, SBIN)}

    continuous = lake.depth(SBIN, THURSDAY).numpy()["ts_recv"].astype(np.int64)
    auction = lake.depth(SBIN, THURSDAY, session="auction").numpy()["ts_recv"].astype(np.int64)
    both = lake.depth(SBIN, THURSDAY, session=["pre_open", "continuous"]).numpy()["ts_recv"].astype(np.int64)

    assert set(continuous.tolist()) == {each for each in received if opens <= each < opens + SECONDS * 10**9}
    assert set(auction.tolist()) == {each for each in received if opens - PRE_OPEN_SECONDS * 10**9 <= each < opens}
    assert len(both) == len(continuous) + len(auction)
    everything = lake.depth(SBIN, FRIDAY, session="all").arrow()
    assert len(everything) == len(lake.depth(SBIN, FRIDAY).arrow()) + 1  # the snapshot of a run after the close


def test_moments_bound_an_answer(lake: Lake) -> None:
    half = f"{THURSDAY}T09:15:30+05:30"
    whole = lake.depth(SBIN, THURSDAY).arrow()
    before = lake.depth(SBIN, since=THURSDAY, until=half).arrow()
    after = lake.depth(SBIN, since=half, until=THURSDAY).arrow()
    naive = lake.depth(SBIN, since=f"{THURSDAY}T09:15:30", until=THURSDAY, tz="Asia/Kolkata").arrow()
    aware = lake.depth(SBIN, since=datetime(2026, 11, 19, 3, 45, 30, tzinfo=UTC), until=THURSDAY).arrow()

    assert len(before) and len(after)
    assert pa.concat_tables([before, after]).equals(whole)
    assert naive.num_rows == aware.num_rows == after.num_rows


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 19, 18, 29, 59, tzinfo=UTC), THURSDAY),
        (datetime(2026, 11, 19, 18, 30, tzinfo=UTC), FRIDAY),
        (datetime(2026, 11, 20, 18, 29, 59, tzinfo=UTC), FRIDAY),
    ],
)  # fmt: skip
def test_a_moment_that_is_given_for_a_day_is_the_days_of_the_market_in_which_it_is(
    lake: Lake, moment: datetime, day: date
) -> None:
    """18:30 UTC is midnight in India; and a moment after the last day is no day of the lake."""
    assert lake.symbols(moment) == lake.symbols(day)
    assert lake.depth(SBIN, moment).arrow().equals(lake.depth(SBIN, day).arrow())
    with pytest.raises(OutsideError, match="2026-11-21 is no day of this lake"):
        lake.depth(SBIN, datetime(2026, 11, 20, 18, 30, tzinfo=UTC))


def test_fifty_levels_and_their_validity(folder: Path, lake: Lake) -> None:
    table = lake.depth(SBIN, THURSDAY, levels=50, session="all").arrow()

    wanted = stored(folder, "depth50", THURSDAY, SBIN)
    assert table["ask_px_50"].to_pylist() == [row["ask_px"][49] and row["ask_px"][49] / 100 for row in wanted]
    assert table["valid"].to_pylist() == [row["valid"] for row in wanted] == [True] * len(wanted)
    assert table["action"].to_pylist() == [row["action"] for row in wanted]
    assert {*table["action"].to_pylist()} == {"snapshot", "update"}
    assert "bid_px_6" in lake.depth(SBIN, THURSDAY, levels=6).arrow().column_names


def test_quotes_of_sockets_and_polls_come_in_one_order(folder: Path, lake: Lake) -> None:
    streamed = lake.quotes(SBIN, FRIDAY, session="all").arrow()
    polled = lake.quotes(ITC, FRIDAY, session="all").arrow()

    assert len(streamed) == len(stored(folder, "quotes", FRIDAY, SBIN))
    wanted = stored(folder, "quotes", FRIDAY, ITC)
    assert len(wanted) > 10
    for name in ("ltp", "bid_px", "ask_px", "atp", "prev_close"):
        assert polled[name].to_pylist() == [row[name] / 100 for row in wanted], name
    for name in ("volume", "bid_qty", "ask_qty", "total_buy_qty", "oi"):
        assert polled[name].to_pylist() == [row[name] for row in wanted], name
    assert polled["ts_event"].null_count == len(polled)


def test_several_days_and_symbols_come_by_day(lake: Lake) -> None:
    table = lake.depth([SBIN, "TCS"], session="all", origin=True).arrow()

    days = table["ts_recv"].cast(pa.date32()).to_pylist()
    assert days == sorted(days)
    assert {*table["symbol"].to_pylist()} == {SBIN, TCS}
    assert sum(batch.num_rows for batch in lake.depth([SBIN, "TCS"], session="all").batches()) == len(table)


def test_bars_of_several_minutes_are_those_of_a_minute_together(folder: Path, lake: Lake) -> None:
    minutes = [row for row in stored(folder, "bars", THURSDAY, SBIN) if row["ts_begin"] >= opening(THURSDAY)]

    ones = lake.bars(SBIN, THURSDAY, every="1m", prices="paise").arrow().to_pylist()
    [five] = lake.bars(SBIN, THURSDAY, every="5m", prices="paise").arrow().to_pylist()

    assert [row["volume"] for row in ones] == [row["volume"] for row in minutes]
    assert five["open"] == minutes[0]["open"]
    assert five["high"] == max(row["high"] for row in minutes)
    assert five["low"] == min(row["low"] for row in minutes)
    assert five["close"] == minutes[-1]["close"]
    assert five["volume"] == sum(row["volume"] for row in minutes)
    assert five["updates"] == sum(row["updates"] for row in minutes)
    assert five["ts_begin"] == datetime(2026, 11, 19, 3, 45, tzinfo=UTC)
    [exact] = lake.bars(SBIN, THURSDAY, every="5m", prices="decimal").arrow().to_pylist()
    [rupees] = lake.bars(SBIN, THURSDAY, every="5m").arrow().to_pylist()
    for name in ("open", "high", "low", "close", "bid_px", "ask_px"):
        assert (exact[name], rupees[name]) == (Decimal(five[name]) / 100, five[name] / 100)
    before = lake.bars(SBIN, THURSDAY, session="pre_open").arrow().to_pylist()
    assert [row["ts_begin"] for row in before] == [datetime(2026, 11, 19, 3, 44, tzinfo=UTC)]


@pytest.mark.parametrize("every", ["1m", "2m", "5m", "1h"])
def test_bars_are_counted_anew_from_the_opening_of_each_phase(lake: Lake, every: str) -> None:
    alone = [lake.bars(SBIN, THURSDAY, every=every, session=phase).arrow() for phase in ("pre_open", "continuous")]
    both = lake.bars(SBIN, THURSDAY, every=every, session=["pre_open", "continuous"]).arrow()

    assert all(len(table) for table in alone)
    assert both.equals(pa.concat_tables(alone).combine_chunks())


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, [THURSDAY, FRIDAY, MONDAY]),
        (None, THURSDAY, [THURSDAY]),
        (FRIDAY, None, [FRIDAY, MONDAY]),
        (FRIDAY, FRIDAY, [FRIDAY]),
        (THURSDAY, "2026-11-20T00:00+05:30", [THURSDAY]),
        (THURSDAY, "2026-11-20T00:00:00.000001+05:30", [THURSDAY, FRIDAY]),
        ("2026-11-20T00:00+05:30", MONDAY, [FRIDAY, MONDAY]),
        ("2026-11-19T23:59:59+05:30", MONDAY, [THURSDAY, FRIDAY, MONDAY]),
    ],
)
def test_a_day_counts_that_the_time_asked_for_touches_and_no_other(
    lake: Lake, since: Any, until: Any, days: list[Any]
) -> None:
    """The day after is neither read nor missed: SBIN has rows on each of them."""
    bounds = {name: each for name, each in (("since", since), ("until", until)) if each is not None}
    assert parse_range(DAYS, None, since, until, None, lambda _: [NSE]).dates == days
    found = lake.depth(SBIN, session="all", **bounds).arrow()["ts_recv"].cast(pa.timestamp("ns", "Asia/Kolkata"))
    assert {moment.date() for moment in found.to_pylist()} <= {*days}


def test_gaps_are_the_ledger(folder: Path, lake: Lake) -> None:
    [gap] = lake.gaps("INFY").arrow().to_pylist()
    assert (gap["symbol"], gap["cause"]) == (INFY, "disconnect")
    assert (gap["ts_to"] - gap["ts_from"]).total_seconds() == GAP[1] - GAP[0]
    total = sum(len(rows(path)) for path in folder.glob("gaps*/*/*/*.parquet"))
    assert len(lake.gaps().arrow()) == total > 2
    inside = f"{THURSDAY}T09:15:50+05:30"
    assert len(lake.gaps("INFY", since=inside, until=THURSDAY).arrow()) == 1  # it reaches into the time asked for
    assert len(lake.gaps("INFY", since=THURSDAY, until=f"{THURSDAY}T09:15:40+05:30").arrow()) == 0


def test_gaps_of_a_host_are_of_no_other(lake: Lake) -> None:
    """The second one recorded a day without a gap."""
    assert lake.hosts(MONDAY) == ["lab1", "lab2"]
    assert lake.gaps(host="lab1").arrow().equals(lake.gaps().arrow())
    assert len(lake.gaps(host="lab2").arrow()) == 0


def test_indices(folder: Path, lake: Lake) -> None:
    table = lake.indices("NIFTY50", THURSDAY, session="all").arrow()
    assert table["ltp"].to_pylist() == [row["ltp"] / 100 for row in stored(folder, "indices", THURSDAY, NIFTY)]


def test_an_answer_that_does_not_fit_names_the_way_that_does(folder: Path) -> None:
    small = open_lake(folder, memory_bytes=10_000)
    answer = small.depth(SBIN, THURSDAY)

    with pytest.raises(TooLargeError, match=r"\.batches\(\)"):
        answer.arrow()
    assert sum(batch.num_rows for batch in answer.batches()) == len(open_lake(folder).depth(SBIN, THURSDAY).arrow())


def test_duckdb_reads_an_answer_as_often_as_it_is_asked(lake: Lake) -> None:
    relation = lake.depth(SBIN, THURSDAY).duckdb()

    rows = len(lake.depth(SBIN, THURSDAY).arrow())
    assert relation.count("*").fetchall() == [(rows,)]
    assert relation.count("*").fetchall() == [(rows,)]
    assert relation.max("bid_px_1").fetchall()[0][0] == max(lake.depth(SBIN, THURSDAY).numpy()["bid_px_1"])


def test_rows_of_several_tables_are_ordered_by_run_record_and_place_in_its_frame() -> None:
    """By nothing else: runs are in the order of the day, whatever they are called."""
    wanted = list(itertools.product(("run-b", "run-a"), range(3), range(3)))
    shuffled = sorted(wanted, key=lambda row: (row[2], -row[1], row[0]))
    mixed = pa.table({name: [row[place] for row in shuffled] for place, name in enumerate(("run_id", "seq", "entry"))})

    found = in_order(mixed, ["run-b", "run-a"])

    assert [(row["run_id"], row["seq"], row["entry"]) for row in found.to_pylist()] == wanted
