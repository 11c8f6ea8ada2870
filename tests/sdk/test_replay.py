"""A recorded day served again by time."""

import json

import pytest
from tests.conftest import ROOT
from tests.journals import OPEN_NS, answer
from tests.storage.lake.conftest import SLOTS, Place
from tests.storage.lake.sockets import SBIN

from exchange.market.instruments import load_instruments
from exchange.replay.rows import load_replay
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError

START = 1_795_000_000 * NS_PER_SECOND
FUTURE = "NSE:NIFTY26AUGFUT"


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_captured_rows_come_back_as_they_were(recorded_data, start):
    (path,) = (recorded_data / "fyers_raw").glob("rest_depth_*.jsonl")
    captured = [json.loads(line)["row"] for line in path.read_text().splitlines()]
    server = start(replay=path)
    sdk = server.sdk()
    asked = {"symbol": FUTURE, "ohlcv_flag": 1}
    assert sdk.depth(asked)["d"][FUTURE] == captured[0]
    server.clock.move(5)
    assert sdk.depth(asked)["d"][FUTURE] == captured[1]
    assert sdk.depth(asked | {"symbol": "NSE:SBIN-EQ"})["code"] == -300


def test_rows_are_served_at_their_distance_from_the_first(tmp_path):
    rows = [{"symbol": "A", "recv_ns": 100 * NS_PER_SECOND + n * NS_PER_SECOND, "row": {"n": n}} for n in (0, 1, 3)]
    rows.append({"symbol": "B", "recv_ns": 102 * NS_PER_SECOND, "row": {"n": "b"}})
    replay = load_replay(write(tmp_path / "r.jsonl", *rows), START, {})
    seen = [replay.row("A", START + int(s * NS_PER_SECOND))["n"] for s in (0, 0.9, 1, 2.9, 3, 999)]
    assert seen == [0, 0, 1, 1, 3, 3]
    assert replay.row("B", START)["n"] == "b" and replay.row("C", START) is None
    assert replay.symbols == ["A", "B"]


@pytest.mark.parametrize("answers", [1, 3])
def test_a_table_of_books_of_the_lake_is_served_as_the_brokers_json(tmp_path, answers):
    """Schema 3: the quote that was known with each book, which is the answer's own where it was polled."""
    place = Place(tmp_path)
    recorder = place.start()
    recorder.open_window(SLOTS)
    for slot in range(answers):
        recorder.poll(slot, SBIN, body=answer(SBIN, ltp=971.05, c=970, v=7 + slot, oi=None))
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    replay = load_replay(place.current("depth"), START, load_instruments())
    row = replay.row(SBIN, START)
    assert row["v"] == 7 and replay.row(SBIN, START + 3600 * NS_PER_SECOND)["v"] == 6 + answers
    assert row["ltp"] == 971.05 and row["c"] == 970 and row["ch"] == 1.05 and row["chp"] == 0.11
    assert row["bids"][0] == {"price": 971, "volume": 10, "ord": 1} and row["ask"][4]["price"] == 971.3
    assert (row["ltt"], row["oi"], row["tick_Size"]) == (OPEN_NS // NS_PER_SECOND, 0, 0.05)


def test_a_table_of_books_of_schema_2_is_served_too():
    (path,) = (ROOT / "tests/storage/schema2/lake/depth/date=2026-07-31/host=lab1").iterdir()
    row = load_replay(path, START, load_instruments()).row(SBIN, START)
    assert row["ltp"] == 1510 and row["bids"][0]["price"] == 1509.95 and row["ask"][4]["volume"] == 100


def test_a_table_of_books_away_from_its_lake_says_where_it_belongs(tmp_path):
    place = Place(tmp_path)
    place.record_all()
    place.close()
    away = tmp_path / "x.parquet"
    away.write_bytes(place.current("depth").read_bytes())
    for path in (away, place.current("gaps")):
        with pytest.raises(ConfigError, match=rf"{path.name}: not a table of books of the lake, or not in its lake"):
            load_replay(path, START, load_instruments())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("nonsense\n", "line 1"),
        ('{"symbol": "A"}\n', "line 1"),
        ('{"symbol": "A", "recv_ns": 2, "row": {}}\n{"symbol": "A", "recv_ns": 1, "row": {}}\n', "order of time"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path, text, words):
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_replay(path, START, {})


@pytest.mark.parametrize("name", ["missing.jsonl", "missing.parquet"])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=name):
        load_replay(tmp_path / name, START, {})


def test_a_csv_where_a_table_was_expected_is_refused(tmp_path):
    path = tmp_path / "depth.parquet"
    path.write_text("timestamp,symbol\n")
    with pytest.raises(ConfigError, match=r"depth\.parquet"):
        load_replay(path, START, {})
