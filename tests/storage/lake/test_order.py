"""Rows in order: that of the journal, copies are found at their edges, and every cell is compared."""

import os
from collections.abc import Sequence
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.journals import SYMBOLS
from tests.recorder.fakes import make_config
from tests.storage.decode.tables import anew
from tests.storage.lake.conftest import SLOTS
from tests.storage.lake.test_columns import COLUMNS, LEVELS, always
from tests.storage.lake.test_columns import NAMES as TEXTS

from harvester.base.clock import NS_PER_SECOND
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.decode.frames import ABSENT
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake import schema
from harvester.lake.close import LOOK_BACK_DAYS, expect_day, is_due_today, pending_days
from harvester.lake.day.intervals import intersect, split, subtract, total, union
from harvester.lake.day.order import in_order
from harvester.lake.gaps.streams import Reception
from harvester.lake.layout import Partition
from harvester.lake.manifest import Manifest, write_manifest
from harvester.lake.tables import deduplication
from harvester.lake.tables.deduplication import Deduplicator, Tally
from harvester.lake.tables.digest import ColumnDigest
from harvester.lake.tables.parquet import to_batch
from harvester.lake.tables.sequence import Sequences
from harvester.lake.tables.spool import RowSpool
from harvester.lake.writing import merge

SECOND = NS_PER_SECOND


RECV, RUN, SEQ = (schema.QUOTES_TABLE.at(name) for name in ("ts_recv", "run_id", "seq"))


def rows(*numbers: int, mark: int = 0, runs: Sequence[int] = ()) -> Any:
    """Heads of rows: numbers of records, of runs, and marks that count on from `mark` in place of times."""
    matrix = np.zeros((SEQ + 1, len(numbers)), np.int64)
    matrix[SEQ], matrix[RECV] = numbers, range(mark, mark + len(numbers))
    matrix[RUN] = runs or 0
    return matrix


@pytest.mark.parametrize("cut", [1, 2, 3, 9])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([], []), ([1, 2], []), ([], [1, 2]), ([1, 3, 5], [2, 4, 6]), ([1, 2, 7], [3, 4, 4, 4, 9]),
        ([5, 6, 7], [1, 2, 3]), ([1, 2, 3], [5, 6, 7]), ([1, 9], [2, 3, 4, 5]), ([4, 6], [1, 5, 5, 8]),
    ],
)  # fmt: skip
def test_polls_and_updates_are_merged_by_their_numbers(one: list[int], other: list[int], cut: int) -> None:
    first, second = rows(*one, mark=0), rows(*other, mark=100)
    parts = [[each[:, at : at + cut] for at in range(0, each.shape[1] + cut, cut)] for each in (first, second)]

    merged = [column for part in merge(*parts) for column in part.T.tolist()]

    both = [*first.T.tolist(), *second.T.tolist()]
    assert merged == sorted(both, key=lambda column: column[SEQ])


LARGE = [2**47 - 1, 1, 2**32, 1, 2**40, 2**47 - 1]
"""Numbers as those of a run of years: none of them moves its row to another run."""


@pytest.mark.parametrize("flush_at", [0, 1, 3, 5])
@pytest.mark.parametrize("runs", [[0] * 6, [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])
@pytest.mark.parametrize(
    "numbers", [[1, 1, 1, 1, 1, 1], [1, 2, 2, 2, 3, 3], [5, 5, 2, 2, 5, 2], [3, 2, 1, 1, 2, 3], LARGE]
)
def test_spooled_rows_come_back_in_the_order_of_the_journal(
    tmp_path: Path, numbers: list[int], runs: list[int], flush_at: int
) -> None:
    """By run, then by record; those of one record as they came."""
    spool = RowSpool(tmp_path, SEQ + 1)
    symbols = [0, 1, 0, 0, 1, 0]
    for place, (symbol, number) in enumerate(zip(symbols, numbers, strict=True)):
        spool.add(np.array([symbol]), rows(number, mark=place, runs=[runs[place]]))
        spool.add(np.array([], np.int64), np.empty((SEQ + 1, 0), np.int64))
        if place == flush_at:
            spool.flush()

    for symbol in (0, 1):
        mine = [place for place in range(6) if symbols[place] == symbol]
        found = [place for part in spool.read(symbol) for place in part[RECV].tolist()]
        assert found == sorted(mine, key=lambda place: (runs[place], numbers[place]))
    assert list(spool.read(7)) == []
    spool.close()


def pick(*told: tuple[float, int, int]) -> tuple[list[int], Tally]:
    """Places of the (second, stream, state) updates that pass, and the tally at the end."""
    tally = Tally()
    deduplicator = Deduplicator(slice(1, 2), tally)
    passed = []
    for place, (second, stream, state) in enumerate(told):
        matrix = np.array([[round(second * SECOND)], [state]], np.int64)
        passed += [place] * deduplicator.pick(matrix, np.array([stream])).shape[1]
    deduplicator.finish()
    return passed, tally


@pytest.mark.parametrize(
    ("told", "passed", "first", "alone"),
    [
        ([(0, 0, 7), (1, 1, 7)], [0], {0: 1}, {}),
        ([(0, 1, 7), (0, 0, 7)], [0], {1: 1}, {}),
        ([(0, 0, 7), (1, 0, 7)], [0, 1], {}, {0: 2}),  # a repeat of one connection is no copy
        ([(0, 0, 7), (1, 1, 8)], [0, 1], {}, {0: 1, 1: 1}),
        ([(0, 0, 7), (0, 0, 8), (1, 1, 8)], [0, 1], {0: 1}, {0: 1}),
        ([(0, 0, 7), (0, 0, 8), (1, 1, 8), (1, 1, 7)], [0, 1, 3], {0: 1}, {0: 1, 1: 1}),
        ([(0, 0, 7), (0, 0, 8), (10, 1, 7)], [0, 1], {0: 1}, {0: 1}),
        ([(0, 0, 7), (0, 0, 8), (10.000001, 1, 7)], [0, 1, 2], {}, {0: 2, 1: 1}),
        ([(0, 0, 7), (99, 1, 7)], [0, 1], {}, {0: 1, 1: 1}),  # also the last state is a copy for 10 s alone
        ([(0, 0, 7), (1, 1, 7), (2, 2, 7)], [0, 2], {0: 1}, {2: 1}),
        ([(0, 0, 7), (1, 1, 7), (2, 0, 7), (3, 1, 7)], [0, 2], {0: 2}, {}),
    ],
)
def test_of_two_copies_one_passes(
    told: list[tuple[float, int, int]], passed: list[int], first: dict[int, int], alone: dict[int, int]
) -> None:
    found, tally = pick(*told)

    assert (found, dict(tally.first), {k: n for k, n in tally.alone.items() if n}) == (passed, first, alone)


def test_so_many_updates_wait_for_their_copy_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deduplication, "MOST_WAITING", 3)
    found, tally = pick(*((0, 0, state) for state in range(5)), (1, 1, 1), (1, 1, 2), (1, 1, 4))
    assert (found, dict(tally.first), tally.alone[0], tally.alone[1]) == ([0, 1, 2, 3, 4, 5], {0: 2}, 3, 1)


def test_states_are_told_apart_by_any_value() -> None:
    states = np.zeros((40, 41), np.int64)
    states[np.arange(40), np.arange(1, 41)] = 1
    prints = deduplication._fingerprints(states)
    assert len(set(prints.tolist())) == 41 and prints.dtype == np.uint64


@pytest.mark.parametrize(
    ("told", "missing", "repeated", "breaks", "first", "last"),
    [
        ([(1, 1), (2, 0), (3, 0)], 0, 0, [], 1, 3),
        ([(1, 1), (4, 0)], 2, 0, [(0, None, "4 came after 1")], 1, 4),
        ([(1, 1), (4, 0), (9, 0), (20, 1), (21, 0)], 16, 0, [(0, 30, "4 came after 1")], 1, 21),
        ([(5, 1), (5, 0)], 0, 1, [(0, None, "5 came after 5")], 5, 5),
        ([(5, 1), (3, 1)], 0, 1, [(0, 10, "3 came after 5")], 5, 3),
        ([(0, 1), (0, 0), (7, 0)], 0, 0, [], 7, 7),
        ([(1, 1), (2, 0), (9, 0), (3, 0), (4, 1)], 6, 1, [(10, 40, "9 came after 2")], 1, 4),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 9])
def test_sequence_numbers_are_followed_over_any_batches(
    told: list[tuple[int, int]], missing: int, repeated: int, breaks: list[Any], first: int, last: int, size: int
) -> None:
    table = schema.DEPTH50_TABLE
    matrix = np.zeros((table.height, len(told)), np.int64)
    for name, values in (
        ("ts_recv", [10 * at for at in range(len(told))]), ("connection", [4] * len(told)),
        ("sequence", [number or ABSENT for number, _ in told]), ("action", [flag for _, flag in told]),
    ):  # fmt: skip
        matrix[table.at(name)] = values
    reception = Reception()
    sequences = Sequences(reception)

    for at in range(0, len(told), size):
        sequences.see(matrix[:, at : at + size])

    found = sequences.finish()
    assert reception.breaks == breaks
    assert found == {
        "missing": missing, "repeated": repeated,
        "connections": [
            {"connection": 4, "first": first, "last": last, "messages": len(told), "missing": missing,
             "repeated": repeated}
        ],
    }  # fmt: skip


def test_stretches_of_time_at_their_edges() -> None:
    assert union([(5, 5), (1, 3), (3, 4), (6, 7), (0, 1), (6, 6), (9, 8)]) == [(0, 4), (6, 7)]
    assert union([(0, 9), (1, 2), (8, 10)]) == [(0, 10)]
    assert subtract([(0, 10)], [(0, 2), (4, 5), (9, 12)]) == [(2, 4), (5, 9)]
    assert subtract([(0, 10), (20, 30)], [(5, 25)]) == [(0, 5), (25, 30)]
    assert subtract([(0, 10)], [(-5, 0), (10, 11)]) == [(0, 10)]
    assert intersect([(0, 10), (20, 30)], [(5, 25)]) == [(5, 10), (20, 25)]
    assert intersect([(0, 10)], [(10, 20)]) == []
    assert split([(0, 10), (20, 30)], [0, 10, 5, 5, 25, 40, 15]) == [(0, 5), (5, 10), (20, 25), (25, 30)]
    assert (total([]), total([(1, 4), (6, 7)])) == (0, 4)


def test_columns_are_made_as_published() -> None:
    tables = anew(schema).TABLES
    assert list(tables) == list(COLUMNS)
    for name, table in tables.items():
        assert table.schema.names == COLUMNS[name]
        at = 0
        for column in table.columns:
            width = {"depth": 5, "depth50": 50}.get(name, 1) if column.kind == "list" else 1
            assert (column.width, column.kind == "list") == (width, column.name in LEVELS and "depth" in name)
            assert table.places[column.name] == slice(at, at + width)
            at += width
            assert (column.kind == "name") == (column.name in TEXTS)
            if column.kind == "list":
                assert column.nullable == column.name.endswith("px_paise")
            else:
                assert column.nullable == (column.name not in always(name)), column.name
        begins = name in ("bars", "candles", "history")
        assert table.height == at and table.lead == ("ts_begin" if begins else "ts_recv")


NAMES = {
    "feed": ["", "fyers-rest", "x"], "run_id": ["a", "b", "c"], "action": ["update", "snapshot", "y"],
    "source": ["live", "z", "w"],
}  # fmt: skip
NAMES |= {name: ["a", "b", "c"] for name in ("kind", "side_inferred")}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_that_gives_back_one_other_value_has_another_digest(name: str) -> None:
    table = schema.TABLES[name]
    plain = np.arange(table.height * 3, dtype=np.int64).reshape(table.height, 3) % 2 + 1
    plain[:, 2] = 2**60
    for column in table.columns:
        if column.kind in ("name", "bool", "int32"):
            plain[table.places[column.name]] = 1
        elif column.nullable:
            plain[table.places[column.name], 0] = ABSENT

    def digest(matrix: Any, symbols: tuple[str, str] = ("A", "B")) -> str:
        found = ColumnDigest(table)
        found.update(to_batch(table, [(symbols[0], matrix[:, :1]), (symbols[1], matrix[:, 1:])], NAMES))
        return found.hexdigest()

    expected = digest(plain)
    assert digest(plain.copy()) == expected != digest(plain, ("A", "C"))
    nullable = {
        place for each in table.columns if each.nullable for place in range(table.height)[table.places[each.name]]
    }
    booleans = {table.at(each.name) for each in table.columns if each.kind == "bool"}
    for place, row in product(range(table.height), range(3)):
        others = [0] if place in booleans else [2] if plain[place, row] == 1 else [2**60 + 1, 2**60 - 1]
        others = [0, 1] if plain[place, row] == ABSENT else others
        for other in [*others, *([ABSENT] if place in nullable and plain[place, row] != ABSENT else [])]:
            changed = plain.copy()
            changed[place, row] = other
            assert digest(changed) != expected, (place, row, other)
    swapped = plain.copy()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    assert digest(swapped) != expected


def test_a_list_that_is_longer_or_ragged_has_another_digest() -> None:
    table = schema.DEPTH_TABLE
    batch = to_batch(table, [("A", np.ones((table.height, 2), np.int64))], NAMES)
    at = table.schema.get_field_index("bid_px_paise")
    digests = set()
    for levels in ([[1] * 5] * 2, [[1] * 4, [1] * 6], [[1] * 10, []], [[1] * 6] * 2, [[1] * 5, [1] * 4 + [None]]):
        column = pa.array(levels, type=table.schema.field(at).type)
        changed = pa.RecordBatch.from_arrays(
            [*batch.columns[:at], column, *batch.columns[at + 1 :]], schema=table.schema
        )
        found = ColumnDigest(table)
        found.update(changed)
        digests.add(found.hexdigest())
    assert len(digests) == 5


DAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    "feeds",
    [
        ("fyers-rest",), ("fyers-hsm",), ("fyers-tbt",), ("fyers-rest", "fyers-tbt"), ("fyers-hsm", "fyers-tbt"),
        ("fyers-rest", "fyers-hsm"), ("fyers-rest", "fyers-hsm", "fyers-tbt"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("when", ["always", "fallback"])
def test_what_settings_and_calendar_demand_of_a_day(tmp_path: Path, feeds: tuple[str, ...], when: str) -> None:
    if when == "fallback" and not {"fyers-rest", "fyers-hsm"} <= set(feeds):
        return  # refused by the settings: there is nothing to fall back from, or to
    (tmp_path / "data").mkdir()
    changes = {
        "feeds": list(feeds), "symbols": ["NSE:SBIN-EQ", "NSE:INFY-EQ"], "poll": {"when": when},
        "hsm": {"index_symbols": ["NSE:NIFTY50-INDEX"]}, "tbt": {"symbols": ["NSE:TCS-EQ"]},
    }  # fmt: skip
    settings = validate(Settings, make_config(tmp_path, **changes))

    found = expect_day(settings, TradingCalendar.load(), DAY)

    polled = "fyers-rest" in feeds
    symbols = ("NSE:SBIN-EQ", "NSE:INFY-EQ")
    assert found.symbols == (symbols if polled else ())
    assert found.sockets == {
        FYERS_HSM: (*symbols, "NSE:NIFTY50-INDEX") if "fyers-hsm" in feeds else (),
        FYERS_TBT: ("NSE:TCS-EQ",) if "fyers-tbt" in feeds else (),
    }
    assert found.interval_ns == (settings.poll.interval_ns if polled and when == "always" else None)
    assert found.grace_ns == settings.poll.interval_ns + round(settings.poll.timeout * SECOND)
    assert found.windows == tuple(TradingCalendar.load().windows(DAY, settings.calendar.phases)) != ()


def close_empty(lake: Path, day: date, host: str = "lab1") -> None:
    write_manifest(lake, Partition(day, host), Manifest(day.isoformat(), host, 1, "r", (), ()))


def test_days_are_due_from_the_first_that_was_recorded_and_a_month_back_at_most(tmp_path: Path) -> None:
    calendar, lake, journal = TradingCalendar.load(), tmp_path / "lake", tmp_path / "journal"

    def pending(today: date, host: str = "lab1") -> list[int]:
        return [day.day for day in pending_days(journal, lake, host, [calendar], ("continuous",), today)]

    assert LOOK_BACK_DAYS == 31
    close_empty(lake, date(2026, 11, 18))
    close_empty(lake, date(2026, 11, 20))
    assert pending(date(2026, 11, 20)) == [19]
    assert pending(date(2026, 11, 23)) == [19, 23]
    assert pending(date(2026, 11, 23), "lab2") == [23], "another host's days are its own"
    assert pending(date(2026, 11, 22)) == [19], "no session on Sunday"
    (journal / "2026-11-21").mkdir(parents=True)
    (journal / "2026-11-21" / "5-a.seg").write_bytes(b"")
    (journal / "2026-99-99").mkdir()
    (journal / "2026-11-27").mkdir()
    (journal / "2026-11-27" / "5-a.seg").write_bytes(b"")
    assert pending(date(2026, 11, 23)) == [19, 21, 23], "recorded on a Saturday, and nothing of tomorrow"
    close_empty(lake, date(2026, 8, 3))
    for today, earliest in ((date(2026, 11, 19), date(2026, 10, 19)), (date(2026, 11, 20), date(2026, 10, 21))):
        assert pending_days(journal, lake, "lab1", [calendar], ("continuous",), today)[0] == earliest, "20th: a holiday"


def test_today_is_due_until_it_was_closed_after_its_last_window(tmp_path: Path) -> None:
    calendar, sunday = TradingCalendar.load(), date(2026, 11, 22)
    *_, (_, closes_ns) = calendar.windows(DAY, ("continuous",))

    def is_due(day: date = DAY, host: str = "lab1") -> bool:
        return is_due_today(tmp_path, host, [calendar], ("continuous",), day)

    assert is_due()
    for day in (DAY, sunday):
        close_empty(tmp_path, day)
    manifest = tmp_path / Partition(DAY, "lab1").manifest
    for at_ns, due in ((closes_ns - 1, True), (closes_ns, False)):
        os.utime(manifest, ns=(at_ns, at_ns))
        assert is_due() is due
    assert is_due(host="lab2") and not is_due(sunday)


def test_a_segment_without_a_record_leaves_its_run_behind_the_run_before(place) -> None:
    """As a power cut, or a full disk, leaves one: two runs of one boot, and the second has an empty segment."""
    paths = []
    for number, process in enumerate("ab"):
        recorder = place.start()
        recorder.open_window(SLOTS)
        recorder.poll_all(2 * number, 2 * number + 1)
        recorder.stop()
        [path] = {*place.journal.glob("*/*.seg")} - {*paths}
        paths.append(path.rename(path.with_stem(f"{path.stem.partition('-')[0]}-{process}")))
    empty = paths[1].with_stem(f"{int(paths[1].stem.partition('-')[0]) + 1}-b")
    empty.write_bytes(b"")

    assert in_order([*paths, empty]) == [*paths, empty]
    place.close()
    found = [row["ts_recv"] for row in place.rows() if row["symbol"] == SYMBOLS[0]]
    assert len(found) == 4 and found == sorted(found)


def test_whatever_is_put_in_order_by_numpy_keeps_the_order_of_what_is_equal(root: Path) -> None:
    """numpy's own choice keeps it in short arrays alone, such as those of tests."""
    sources = [path for name in ("harvester", "runbook") for path in (root / "files" / name / "src").rglob("*.py")]
    lines = [(path.name, line.strip()) for path in sources for line in path.read_text("utf-8").splitlines()]
    calls = [(name, line) for name, line in lines if "np.argsort(" in line]

    assert len(calls) > 10
    # The rank of names of which each is there once keeps no order.
    assert [line for name, line in calls if 'kind="stable"' not in line and name != "merge.py"] == []
