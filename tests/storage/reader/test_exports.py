"""Books for programs that replay them, and the files of hftbacktest and nautilus_trader, byte by byte.

`tests/readers` has the unmodified packages read them, which takes minutes.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.storage.lake.sockets import INFY, SBIN
from tests.storage.reader.days import FRIDAY, GAP, MONDAY, TCS, THURSDAY, opening
from tests.storage.reader.traded import BOUGHT, PRINTS, SHARES, SOLD, record_traded

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.reader import Lake, hftbacktest, nautilus, open_lake
from harvester.reader.books import LEVELS, Books, Side, Trades, read_books, read_trades
from harvester.reader.exporters import export_day, parse_target

Row = tuple[int, str, int]
"""Time of receipt, feed, and the best bid in paise."""
HSM, REST = "fyers-hsm", "fyers-rest"


def read(rows: Sequence[Row], gaps: Mapping[str, Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Time and best bid of each book, 0 of an empty one, of rows in the order of receipt and gaps by feed."""
    columns: dict[str, Any] = {
        "ts_recv": pa.array([time for time, _, _ in rows], pa.timestamp("ns", "UTC")),
        "feed": pa.array([feed for _, feed, _ in rows], pa.string()),
    }
    for side in ("bid", "ask"):
        for what in ("px", "qty", "ord"):
            for n in range(1, LEVELS + 1):
                columns[f"{side}_{what}_{n}"] = pa.array([bid + n for _, _, bid in rows], pa.int64())
    lake: Any = SimpleNamespace(depth=lambda *_, **__: SimpleNamespace(arrow=lambda: pa.table(columns)))
    mine = {feed: tuple(np.array(each).reshape(-1, 2).T) for feed, each in gaps.items()}
    other = {HSM: (np.array([0]), np.array([99]))}
    day: Any = SimpleNamespace(date=THURSDAY, host="lab1", gaps={SBIN: mine, INFY: other})
    books = read_books(lake, day, SBIN)
    empty = [
        not any(values[place].any() for side in (books.bid, books.ask) for values in side)
        for place in range(len(books.times))
    ]
    assert empty == [not each for each in books.bid.px[:, 0]]
    return [(int(time), int(bid) - 1 if bid else 0) for time, bid in zip(books.times, books.bid.px[:, 0], strict=True)]


@pytest.mark.parametrize(
    ("rows", "gaps", "found"),
    [
        pytest.param([], {}, [], id="nothing"),
        pytest.param([], {HSM: [(15, 30)]}, [], id="a gap and nothing before it"),
        pytest.param([(10, HSM, 1), (12, HSM, 2)], {}, [(10, 1), (12, 2)], id="no gap"),
        pytest.param(
            [(10, HSM, 1), (20, HSM, 2), (31, HSM, 3)], {HSM: [(15, 30)]}, [(10, 1), (15, 0), (31, 3)],
            id="what a feed sent inside its own gap is left out",
        ),
        pytest.param(
            [(15, HSM, 1), (30, HSM, 2)], {HSM: [(15, 30)]}, [(15, 1), (15, 0), (30, 2)], id="both edges are no gap"
        ),
        pytest.param(
            [(10, HSM, 1), (20, REST, 2), (31, HSM, 3)], {HSM: [(15, 30)]}, [(10, 1), (15, 0), (20, 2), (31, 3)],
            id="another feed's stay",
        ),
        pytest.param(
            [(10, HSM, 1), (12, REST, 2)], {HSM: [(15, 30)]}, [(10, 1), (12, 2)], id="another feed's came later"
        ),
        pytest.param(
            [(10, HSM, 1), (12, REST, 2)], {REST: [(15, 30)]}, [(10, 1), (12, 2), (15, 0)], id="a gap of the later one"
        ),
        pytest.param(
            [(10, HSM, 1), (20, HSM, 2), (30, HSM, 3)], {HSM: [(12, 13), (22, 23)]},
            [(10, 1), (12, 0), (20, 2), (22, 0), (30, 3)], id="two gaps",
        ),
        pytest.param(
            [(10, HSM, 1), (30, HSM, 2), (20, HSM, 3), (31, HSM, 4)], {}, [(10, 1), (30, 2), (30, 3), (31, 4)],
            id="a clock that was set back",
        ),
    ],
)  # fmt: skip
def test_a_book_ends_with_its_feeds_gap(
    rows: list[Row], gaps: dict[str, list[tuple[int, int]]], found: list[tuple[int, int]]
) -> None:
    assert read(rows, gaps) == found


def test_books_of_a_day_are_the_valid_ones_of_continuous_trading(lake: Lake) -> None:
    table = lake.depth(INFY, THURSDAY, prices="paise").arrow().to_pylist()
    [day] = lake.on(THURSDAY)

    books = read_books(lake, day, INFY)

    begin = opening(THURSDAY) + GAP[0] * NS_PER_SECOND
    [empty] = np.flatnonzero(books.bid.px[:, 0] == 0).tolist()
    assert books.times[empty] == begin
    full = books.take(np.flatnonzero(books.bid.px[:, 0] > 0))
    assert len(full.times) == len(table) > 50
    for name, side in (("bid", full.bid), ("ask", full.ask)):
        for what in Side._fields:
            stored = [[row[f"{name}_{what}_{n}"] or 0 for n in range(1, LEVELS + 1)] for row in table]
            assert getattr(side, what).tolist() == stored


def side(*books: Sequence[tuple[int, int]]) -> Side:
    """Of each book price and shares of its levels; as many orders as ten times its place."""
    px, qty, orders = (np.zeros((len(books), LEVELS), np.int64) for _ in range(3))
    for at, levels in enumerate(books):
        for place, (price, shares) in enumerate(levels):
            px[at, place], qty[at, place], orders[at, place] = price, shares, 10 * (place + 1)
    return Side(px, qty, orders)


NO_TRADES = Trades(*[np.zeros(0, np.int64)] * 5)


def instrument(symbol: str, **changes: Any) -> dict[str, Any]:
    """A row of instruments with nothing of a symbol master."""
    row = dict.fromkeys(("tick", "lot", "ts_expiry", "root", "isin", "option_type", "strike"))
    return {**row, "symbol": symbol, "segment": "nse_cash", **changes}


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_traded(tmp_path_factory.mktemp("traded"))


BOOKS = Books(
    np.array([1_000, 2_000, 3_000, 4_000]),
    side([(100_05, 5), (100_00, 6)], [(100_10, 1), (100_05, 5), (100_00, 9)], [(100_10, 1)], []),
    side([(100_15, 7)], [(100_15, 7)], [(100_20, 7)], []),
)


def test_events_are_what_goes_then_what_changes_of_each_book() -> None:
    found = hftbacktest.events_of(BOOKS, NO_TRADES)

    bid, ask = 1 << 29, 1 << 28
    rows = [(int(one["exch_ts"]), int(one["ev"]) & (bid | ask), float(one["px"]), float(one["qty"])) for one in found]
    assert rows == [
        (1_000, bid, 100.05, 5), (1_000, bid, 100.0, 6), (1_000, ask, 100.15, 7),
        (2_000, bid, 100.1, 1), (2_000, bid, 100.0, 9),
        (3_000, bid, 100.05, 0), (3_000, bid, 100.0, 0), (3_000, ask, 100.15, 0), (3_000, ask, 100.2, 7),
        (4_000, bid, 100.1, 0), (4_000, ask, 100.2, 0),
    ]  # fmt: skip
    assert {int(one["ev"]) & ~(bid | ask) for one in found} == {1 | 1 << 31 | 1 << 30}
    assert found["local_ts"].tolist() == found["exch_ts"].tolist()


def test_a_trade_comes_before_the_book_of_its_time_and_has_the_side_that_is_known() -> None:
    trades = Trades(*np.array([(1_500, 100_15, 3, 10, 1), (3_000, 100_10, 4, 14, 0), (9_000, 100_10, 5, 19, -1)]).T)

    found = hftbacktest.events_of(BOOKS, trades)

    assert len(found) == 11 + 3 and np.all(np.diff(found["exch_ts"]) >= 0)
    both = 1 << 31 | 1 << 30
    prints = [(place, *found[place].tolist()[:5]) for place in np.flatnonzero(found["ev"] & 0xFF == 2).tolist()]
    assert prints == [
        (3, 2 | both | 1 << 29, 1_500, 1_500, 100.15, 3.0),
        (6, 2 | both, 3_000, 3_000, 100.1, 4.0),
        (13, 2 | both | 1 << 28, 9_000, 9_000, 100.1, 5.0),
    ]


def test_trades_are_those_that_were_seen(traded: Path) -> None:
    """What traded in the gap, and what contradicts its quote, is in the lake and not in an export."""
    lake = open_lake(traded)
    [day] = lake.on(THURSDAY)
    rows = {row["ts_recv"]: row for row in lake.trades(SBIN, THURSDAY, prices="paise").arrow().to_pylist()}
    assert {row["kind"] for row in rows.values()} == {"print", "aggregate", "unmatched", "gap"}

    trades = read_trades(lake, day, SBIN)

    assert len(trades.times) == PRINTS == len(rows) - 2
    assert trades.qty.sum() == SHARES == sum(row["qty"] for row in rows.values()) - 3 - 500
    assert [int((trades.taker == each).sum()) for each in (1, -1)] == [BOUGHT, SOLD]
    kept = [row for row in rows.values() if row["kind"] in ("print", "aggregate")]
    assert [row["px"] for row in kept] == trades.px.tolist()
    assert [row["volume"] for row in kept] == trades.volume.tolist()


def test_books_and_trades_are_asked_for_of_the_symbol_day_and_host_alone(
    traded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    lake = open_lake(traded)
    [day] = lake.on(THURSDAY)
    for name in ("depth", "trades"):

        def ask(*words: Any, name: str = name, **named: Any) -> Any:
            asked.append((name, words, named))
            return getattr(Lake, name)(lake, *words, **named)

        monkeypatch.setattr(lake, name, ask)

    assert len(read_books(lake, day, SBIN).times) and len(read_trades(lake, day, SBIN).times) == PRINTS
    of_the_day = (SBIN, THURSDAY), {"host": day.host, "prices": "paise"}
    assert asked == [("depth", *of_the_day), ("trades", *of_the_day)]


def test_exported_trades_are_all_there(traded: Path, tmp_path: Path) -> None:
    [(path, count)] = export_day("hftbacktest", traded, THURSDAY, tmp_path)
    [(catalog, both)] = export_day("nautilus", traded, THURSDAY, tmp_path / "catalog")

    events = np.load(path)["data"]
    prints = events[events["ev"] & 0xFF == 2]
    assert (len(events), len(prints), prints["qty"].sum()) == (count, PRINTS, SHARES)
    [ticks] = (pq.read_table(each) for each in (catalog / "data/trade_tick/SBIN-EQ.NSE").iterdir())
    [books] = (pq.read_table(each) for each in (catalog / "data/order_book_depth10/SBIN-EQ.NSE").iterdir())
    assert (len(ticks), len(ticks) + len(books)) == (PRINTS, both)
    rows = ticks.to_pylist()
    assert sum(int.from_bytes(row["size"], "little") for row in rows) == SHARES * 10**16
    assert [row["aggressor_side"] for row in rows[:3]] == [1, 2, 0]
    assert int.from_bytes(rows[0]["price"], "little") == 800_05 * 10**14
    assert len({row["trade_id"] for row in rows}) == PRINTS
    assert [row["ts_init"] for row in rows] == prints["local_ts"].tolist()
    [share] = pq.read_table(next((catalog / "data/equity/SBIN-EQ.NSE").iterdir())).to_pylist()
    assert (share["isin"], share["price_increment"], share["lot_size"]) == ("INE062A01020", "0.05", "1")


CONTRACT = {"segment": "nse_fo", "lot": 750, "ts_expiry": 1_798_538_400 * NS_PER_SECOND, "root": "SBIN"}
OPTION = {**CONTRACT, "option_type": "CE", "strike": Decimal("800.50"), "tick": Decimal("0.05")}


@pytest.mark.parametrize(
    ("changes", "folder", "said"),
    [
        (OPTION, "option_contract", {"option_kind": "CALL", "strike_price": "800.50", "price_increment": "0.05"}),
        (OPTION | {"option_type": "PE"}, "option_contract", {"option_kind": "PUT", "lot_size": "750"}),
        (CONTRACT | {"tick": Decimal("0.10")}, "futures_contract", {"price_increment": "0.10", "underlying": "SBIN"}),
    ],
)
def test_a_contract_has_what_the_master_says(changes: dict[str, Any], folder: str, said: dict[str, str]) -> None:
    described = nautilus.describe(instrument("NSE:X", **changes))
    assert described is not None and described[0] == folder
    [row] = described[1].to_pylist()
    assert {name: row[name] for name in said} == said
    assert (row["expiration_ns"], row["activation_ns"], row["id"]) == (CONTRACT["ts_expiry"], 0, "X.NSE")
    named = {"option_contract": b"OptionContract", "futures_contract": b"FuturesContract"}
    assert described[1].schema.metadata == {b"class": named[folder]}


@pytest.mark.parametrize("lacks", ["lot", "ts_expiry", "root"])
def test_a_contract_that_no_master_lists_is_none(lacks: str) -> None:
    assert nautilus.describe(instrument("NSE:X", **{**CONTRACT, lacks: None})) is None
    assert nautilus.describe(instrument("MCX:X", **{**CONTRACT, "segment": "mcx"})) is None


def test_a_file_of_hftbacktest_has_its_layout_and_nothing_of_ours(tmp_path: Path) -> None:
    assert hftbacktest.write(BOOKS, NO_TRADES, tmp_path / "x.npz") == 11

    with np.load(tmp_path / "x.npz") as file:
        assert [*file] == ["data"]
        data = file["data"]
    assert data.dtype.itemsize == 64 and data.dtype.names == (
        "ev", "exch_ts", "local_ts", "px", "qty", "order_id", "ival", "fval"
    )  # fmt: skip
    assert not data["ival"].any() and not data["order_id"].any() and not data["fval"].any()
    assert hftbacktest.write(BOOKS.take(np.zeros(0, np.int64)), NO_TRADES, tmp_path / "none.npz") == 0


def test_a_catalog_of_nautilus_has_ten_levels_of_each_book(tmp_path: Path) -> None:
    assert nautilus.write(BOOKS, NO_TRADES, instrument(SBIN), tmp_path) == 4

    [path] = (tmp_path / "data" / "order_book_depth10" / "SBIN-EQ.NSE").iterdir()
    assert path.name == "1970-01-01T00-00-00-000001000Z_1970-01-01T00-00-00-000004000Z.parquet"
    table = pq.read_table(path)
    about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    assert about == {"instrument_id": "SBIN-EQ.NSE", "price_precision": "2", "size_precision": "0"}
    second = table.slice(1, 1).to_pylist()[0]

    def number(name: str) -> float:
        return int.from_bytes(second[name], "little", signed=True) / 10**16

    assert [number(f"bid_price_{n}") for n in range(10)] == [100.1, 100.05, 100.0] + [0] * 7
    assert [number(f"bid_size_{n}") for n in range(10)] == [1, 5, 9] + [0] * 7
    assert [second[f"bid_count_{n}"] for n in range(10)] == [10, 20, 30] + [0] * 7
    assert [number(f"ask_price_{n}") for n in range(10)] == [100.15] + [0] * 9
    assert [number(f"ask_size_{n}") for n in range(10)] == [7] + [0] * 9
    assert [second[f"ask_count_{n}"] for n in range(10)] == [10] + [0] * 9
    assert (second["ts_event"], second["ts_init"], second["flags"], second["sequence"]) == (2_000, 2_000, 0, 0)


@pytest.mark.parametrize(
    ("segment", "is_share"),
    [("nse_cash", True), ("nse_cash_other", True), ("bse_cash", True), ("bse_cash_other", True), ("nse_fo", False),
     ("mcx", False)],
)  # fmt: skip
def test_shares_alone_are_an_equity(tmp_path: Path, segment: str, is_share: bool) -> None:
    nautilus.write(BOOKS, NO_TRADES, instrument(SBIN, segment=segment), tmp_path)

    paths = [*(tmp_path / "data").glob("equity/SBIN-EQ.NSE/*.parquet")]
    assert len(paths) == is_share
    for path in paths:
        [share] = pq.read_table(path).to_pylist()
        assert (share["id"], share["raw_symbol"], share["currency"], share["price_increment"], share["lot_size"]) == (
            "SBIN-EQ.NSE", SBIN, "INR", "0.01", "1"
        )  # fmt: skip


def test_a_day_that_was_built_again_replaces_its_file_and_no_other_days(tmp_path: Path) -> None:
    day_ns = 86_400 * NS_PER_SECOND
    for books in (BOOKS, BOOKS._replace(times=BOOKS.times + day_ns), BOOKS._replace(times=BOOKS.times + 5)):
        nautilus.write(books, NO_TRADES, instrument(SBIN), tmp_path)
    nautilus.write(BOOKS.take(np.zeros(0, np.int64)), NO_TRADES, instrument(INFY), tmp_path)

    names = sorted(path.name for path in (tmp_path / "data" / "order_book_depth10").glob("*/*"))
    assert names == [
        "1970-01-01T00-00-00-000001005Z_1970-01-01T00-00-00-000004005Z.parquet",
        "1970-01-02T00-00-00-000001000Z_1970-01-02T00-00-00-000004000Z.parquet",
    ]


def test_a_day_of_two_hosts_is_exported_whole(folder: Path, tmp_path: Path) -> None:
    """SBIN is of the first host, TCS of the second; a symbol that was asked for alone comes alone."""
    found = dict(export_day("hftbacktest", folder, MONDAY, tmp_path / "all"))
    assert sorted(path.name for path in found) == [f"NSE-SBIN-EQ_{MONDAY}.npz", f"NSE-TCS-EQ_{MONDAY}.npz"]
    assert all(count == len(np.load(path)["data"]) > 0 for path, count in found.items())
    assert [count for _, count in export_day("nautilus", folder, MONDAY, tmp_path / "catalog", [TCS])] == [2]
    [(path, count)] = export_day("hftbacktest", folder, FRIDAY, tmp_path / "one", [TCS])
    assert (path.name, count > 0) == (f"NSE-TCS-EQ_{FRIDAY}.npz", True)
    [(path, lines)] = export_day("csv", folder, FRIDAY, tmp_path / "csv", [TCS])
    assert path.suffix == ".csv" and lines > 0


def test_what_it_can_be_exported_to() -> None:
    assert [parse_target(each) for each in ("csv", "hftbacktest", "nautilus")] == ["csv", "hftbacktest", "nautilus"]
    with pytest.raises(ConfigError, match="--to 'xlsx' is none of csv, hftbacktest, nautilus"):
        parse_target("xlsx")
