"""A grid is what a walk over the stored rows gives, and its mask is false wherever the ledger says so."""

import hashlib
import itertools
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.journals import OPEN_NS
from tests.storage.lake.conftest import Place
from tests.storage.lake.relisting import forge
from tests.storage.lake.sockets import INFY, SBIN, book, ids_of
from tests.storage.reader.days import (
    FRIDAY,
    GAP,
    INTERVAL_NS,
    ITC,
    LATE,
    MONDAY,
    SECONDS,
    TCS,
    THURSDAY,
    DayRecorder,
    close,
    opening,
)
from tests.storage.reader.stored import stored
from tests.storage.reader.walk import Gap, Row, value

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_REST
from harvester.lake.layout import Partition
from harvester.reader import Lake, moments, open_lake
from harvester.reader.errors import FinerThanDataError, QuestionError, TooLargeError
from harvester.reader.fields import Book, parse_fields
from harvester.reader.grid import Grid

FIELDS = [
    "mid",
    "spread",
    "spread_bp",
    "microprice",
    "imbalance_1",
    "imbalance_5",
    "ofi_1",
    "ofi_5",
    "updates",
    "age_ms",
]


def recorded(folder: Path, day: Any, symbol: str, kind: str = "depth") -> tuple[list[Row], list[Gap]]:
    """The rows and gaps of a symbol as they lie in the lake's own files."""
    books = [
        Row(
            row["ts_recv"],
            row["feed"],
            row.get("valid", True),
            row["bid_px"],
            row["bid_qty"],
            row["ask_px"],
            row["ask_qty"],
        )
        for row in stored(folder, kind, day, symbol)
    ]
    gaps = stored(folder, "gaps", day, symbol)
    return books, [(gap["feed"], gap["ts_from"], gap["ts_to"]) for gap in gaps]


@pytest.mark.parametrize(
    ("day", "symbol", "every"),
    [
        (THURSDAY, SBIN, "1s"),
        (THURSDAY, INFY, "700ms"),
        (FRIDAY, TCS, "250ms"),
        (FRIDAY, ITC, "5s"),
        (MONDAY, SBIN, "300ms"),
    ],
)
def test_each_value_is_that_of_a_walk_over_the_rows(
    folder: Path, lake: Lake, day: Any, symbol: str, every: str
) -> None:
    grid = lake.grid(symbol, day, day, every=every, fields=FIELDS)

    rows, gaps = recorded(folder, day, symbol)
    opens = opening(day)
    for at, moment in enumerate(grid.times_ns.tolist()):
        wanted = [
            value(rows, name.rstrip("_0123456789"), int(name[-1]) if name[-1].isdigit() else 1, *args)
            for name in FIELDS
            for args in [(moment, grid.every_ns, opens, gaps)]
        ]
        assert grid.mask[at, 0] == (None not in wanted), moment - opens
        if grid.mask[at, 0]:
            assert grid.values[at, 0].tolist() == pytest.approx(wanted, rel=1e-12)
        else:
            assert np.isnan(grid.values[at, 0]).all()
    assert grid.mask.any()
    assert not grid.mask.all()


def test_the_mask_is_false_through_a_gap_and_before_the_first_book(lake: Lake) -> None:
    grid = lake.grid(["INFY", "SBIN"], THURSDAY, THURSDAY, every="1s", fields=["mid"])

    seconds = (grid.times_ns - opening(THURSDAY)) // NS_PER_SECOND
    infy = dict(zip(seconds.tolist(), grid.mask[:, 0].tolist(), strict=True))
    assert not any(infy[second] for second in range(*GAP))
    assert infy[GAP[0] - 1]
    assert infy[GAP[1]]  # the snapshot of the new connection
    assert grid.mask[:, 1].tolist() == [True] * SECONDS  # one book came at the very opening
    assert lake.grid("SBIN", THURSDAY, FRIDAY, every="1s", fields="mid").mask[:SECONDS].all()
    late = lake.grid("TCS", FRIDAY, FRIDAY, every="1s", fields="mid").mask[:, 0].tolist()
    assert late == [False] * LATE + [True] * (SECONDS - LATE)


def test_what_was_received_after_a_moment_changes_nothing_before_it(lake: Lake) -> None:
    until = f"{THURSDAY}T09:15:30+05:30"
    whole = lake.grid("SBIN", THURSDAY, THURSDAY, every="1s", fields=FIELDS)
    begin = lake.grid("SBIN", THURSDAY, until, every="1s", fields=FIELDS)

    assert len(begin.times_ns) == 30
    np.testing.assert_array_equal(begin.values, whole.values[:30])


def test_pieces_between_gaps_are_whole_and_of_one_phase(lake: Lake) -> None:
    grid = lake.grid(
        ["INFY", "SBIN"], every="1s", fields=["mid", "ofi_5"], days=[THURSDAY, FRIDAY, MONDAY], session="all"
    )

    pieces = grid.split_at_gaps()

    assert sum(len(piece.times_ns) for piece in pieces) == grid.mask.sum()
    for piece in pieces:
        assert piece.mask.all()
        assert (np.diff(piece.times_ns) == grid.every_ns).all()
        assert np.isfinite(piece.values).all()
    infy = [piece for piece in pieces if piece.symbols == (INFY,)]
    assert len(infy) == 2
    together = grid.split_at_gaps(together=True)
    assert [piece.symbols for piece in together] == [(INFY, SBIN)] * 2
    assert sum(len(piece.times_ns) for piece in together) == grid.mask.all(axis=1).sum()


def test_a_piece_ends_where_a_stretch_of_equal_steps_does() -> None:
    """Here two phases follow each other, and the first moment of the second is that of the next step."""
    times, mask = np.arange(6, dtype=np.int64), np.ones((6, 2), np.bool_)
    grid = Grid(times, (SBIN, INFY), ("mid",), 1, np.zeros((6, 2, 1)), mask, np.array([0, 2]))

    pieces = [(piece.symbols, piece.times_ns.tolist()) for piece in grid.split_at_gaps()]

    assert pieces == [((symbol,), span) for symbol in (SBIN, INFY) for span in ([0, 1], [2, 3, 4, 5])]


def test_the_clock_set_back_orders_nothing(folder: Path, lake: Lake) -> None:
    """2 s are lived twice: at each of their moments the later record counts, in the order of the journal."""
    grid = lake.grid("SBIN", MONDAY, MONDAY, every="250ms", fields=["bid_qty_1"])

    rows, _ = recorded(folder, MONDAY, SBIN)
    received = [row.received for row in rows]
    assert received != sorted(received)
    step = next(place for place, (a, b) in enumerate(itertools.pairwise(received)) if b < a)
    moment = received[step]
    place = grid.times_ns.tolist().index(moment)
    later = max(place for place, each in enumerate(received) if each <= moment)
    assert grid.values[place, 0, 0] == rows[later].bid_qty[0]
    assert later > step


def test_fields_of_quotes_and_of_fifty_levels(folder: Path, lake: Lake) -> None:
    grid = lake.grid("SBIN", THURSDAY, THURSDAY, every="1s", fields=["ltp", "volume", "imbalance_20"])

    assert grid.mask[1:].all()
    rows, _ = recorded(folder, THURSDAY, SBIN, "depth50")
    book = next(row for row in reversed(rows) if row.received <= grid.times_ns[50])
    bids, asks = sum(book.bid_qty[:20]), sum(book.ask_qty[:20])
    assert grid.values[50, 0, 2] == pytest.approx((bids - asks) / (bids + asks))
    quotes = stored(folder, "quotes", THURSDAY, SBIN)
    quote = next(row for row in reversed(quotes) if row["ts_recv"] <= grid.times_ns[50])
    assert grid.values[50, 0, :2].tolist() == [quote["ltp"] / 100, quote["volume"]]


def test_a_grid_as_rows(lake: Lake) -> None:
    grid = lake.grid(["SBIN", "INFY"], THURSDAY, THURSDAY, every="1s", fields=["mid"], tz="Asia/Kolkata")

    rows = grid.arrow().to_pylist()

    assert len(rows) == 2 * len(grid.times_ns)
    assert rows[0]["time"].isoformat() == f"{THURSDAY}T09:15:00+05:30"
    assert [row["symbol"] for row in rows[:2]] == [SBIN, INFY]
    assert all((row["mid"] is None) != row["mask"] for row in rows)
    times, values, mask = grid.numpy()
    assert times.dtype == "datetime64[ns]"
    assert values is grid.values
    assert mask is grid.mask


def test_a_grid_finer_than_polls_is_refused(lake: Lake) -> None:
    with pytest.raises(FinerThanDataError, match=r"polled every 5 s .* every=5000ms"):
        lake.grid("ITC", FRIDAY, FRIDAY, every="1s", fields=["mid"])
    lake.grid("ITC", FRIDAY, FRIDAY, every="5000ms", fields=["mid"])


def test_a_grid_may_be_finer_than_the_polls_of_a_symbol_that_a_socket_streamed_as_well(tmp_path: Path) -> None:
    run = DayRecorder(tmp_path / "lab1" / "journal", FRIDAY, polled=(SBIN,))
    run.open([FYERS_REST, FYERS_HSM], interval_ns=INTERVAL_NS)
    run.connect(0, [SBIN])
    run.snapshots(0, SBIN)
    for second in range(1, SECONDS):
        run.at(second)
        run.books(0, SBIN, second)
        run.quotes(0, SBIN, second)
        if second % 5 == 0:
            run.poll(second // 5, SBIN)
    run.close()
    run.stop()
    close(tmp_path, FRIDAY, polled=(SBIN,))

    grid = open_lake(tmp_path / "lake").grid("SBIN", FRIDAY, FRIDAY, every="1s", fields=["mid", "ltp"])
    assert grid.mask[1:].all()


def test_moments_are_those_of_the_hours_of_the_symbol_s_segment(tmp_path: Path) -> None:
    place, opens = Place(tmp_path), OPEN_NS
    place.record_all()
    place.close(segments={INFY: "mcx"}, segment_windows={"mcx": ((opens, opens + 10 * INTERVAL_NS),)})

    grid = open_lake(place.lake).grid("INFY", every=f"{INTERVAL_NS // 10**6}ms", fields="mid", session="all")

    assert grid.times_ns.tolist() == [*range(opens, opens + 10 * INTERVAL_NS, INTERVAL_NS)]


def test_what_two_tables_have_of_a_symbol_counts_in_the_order_of_receipt(tmp_path: Path) -> None:
    """Wherever in its frame a book stood."""
    run = DayRecorder(tmp_path / "lab1" / "journal", FRIDAY, polled=(SBIN,))
    run.open([FYERS_REST, FYERS_HSM], interval_ns=INTERVAL_NS)
    run.connect(0, [SBIN, INFY])
    run.snapshots(0, INFY, SBIN)
    expected = []
    for second in range(1, SECONDS):
        run.at(second)
        others = [hsm.update(ids_of(INFY)["dp"], book(number)) for number in range((SECONDS - second) % 7)]
        run.entries(0, *others, hsm.update(ids_of(SBIN)["dp"], book(second)))
        if second % 5 == 0:
            run.poll(second // 5, SBIN)
        expected.append(800 + second / 100)
    run.close()
    run.stop()
    close(tmp_path, FRIDAY, polled=(SBIN,))
    split_by_feed(tmp_path / "lake")

    grid = open_lake(tmp_path / "lake").grid("SBIN", FRIDAY, FRIDAY, every="1s", fields="mid")
    assert grid.mask.all()
    assert grid.values[1:, 0, 0].tolist() == pytest.approx(expected)


def split_by_feed(lake: Path) -> None:
    """Have the day's books in a table of each feed, as days of schema 2 have them: only then are they put in order."""
    [path] = lake.glob("depth_v3/**/*.parquet")
    rows = pq.read_table(path)
    polled = pc.equal(rows.column("feed").cast("string"), "fyers-rest")
    other = path.with_name("polled.parquet")
    pq.write_table(rows.filter(polled), other)
    pq.write_table(rows.filter(pc.invert(polled)), path)

    def change(value: dict[str, Any]) -> None:
        [entry] = [each for each in value["files"] if each["path"] == path.relative_to(lake).as_posix()]
        value["files"].append(entry | {"path": other.relative_to(lake).as_posix()})
        for each, file in ((entry, path), (value["files"][-1], other)):
            data = file.read_bytes()
            each |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    forge(SimpleNamespace(lake=lake, partition=Partition(FRIDAY, "lab1")), change)  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [[], "mid_5", "imbalance", "imbalance_0", "imbalance_51", ["mid", "mid"], "price"])
def test_a_field_that_there_is_not(lake: Lake, fields: Any) -> None:
    with pytest.raises(QuestionError):
        lake.grid("SBIN", every="1s", fields=fields)


@pytest.mark.parametrize("every", ["0s", "1", "1.5s", "2d", "-1s", 5, "100us", "25h"])
def test_a_length_that_is_none(lake: Lake, every: Any) -> None:
    with pytest.raises(QuestionError, match="Write it as 500ms"):
        lake.grid("SBIN", every=every, fields="mid")


def test_a_grid_that_does_not_fit_is_refused_before_it_is_made(folder: Path) -> None:
    from harvester.reader import open_lake

    small = open_lake(folder, memory_bytes=1_000_000)
    small.grid("SBIN", THURSDAY, THURSDAY, every="1s", fields="mid")
    said = rf"^The grid has {SECONDS * 1000:,} moments of 1 symbols and 1 fields, 0\.0 GiB, and .* longer every\.$"
    with pytest.raises(TooLargeError, match=said):
        small.grid("SBIN", THURSDAY, THURSDAY, every="1ms", fields="mid")


def test_one_sided_books_are_not_known(lake: Lake) -> None:
    """Where the mask is true every value is finite, whatever the books were."""
    grid = lake.grid(["SBIN", "INFY"], every="1s", fields=["mid", "spread_bp"])

    assert np.isfinite(grid.values[grid.mask]).all()
    assert math.isnan(grid.values[~grid.mask].max(initial=math.nan))


def test_a_book_around_zero_and_one_without_shares_are_answered_without_a_warning() -> None:
    """Prices may be negative, as crude's were in April 2020: the middle is 0 then."""
    one = np.ones((2, 1))
    books = Book(-one, np.array([[1.0], [0.0]]), one, np.array([[3.0], [0.0]]))
    rows: Any = SimpleNamespace(book=books)
    fields = parse_fields(["spread_bp", "microprice", "imbalance_1"])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [*moments._fields(rows, np.array([0, 1]), Mock(), Mock(), fields)]

    assert np.isfinite(found).tolist() == [[False, False], [True, False], [True, False]]
