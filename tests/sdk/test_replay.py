"""A recorded day served again by time."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


def test_a_depth_table_of_the_lake_is_served_as_the_brokers_json(tmp_path):
    base = {
        "symbol": "NSE:SBIN-EQ", "ltp": 97105, "ltq": 3, "ltt": 1_795_000_000, "volume": 7, "total_buy_qty": 1,
        "total_sell_qty": 2, "open": 97000, "high": 97200, "low": 96900, "prev_close": 97000, "atp": 97050,
        "upper_ckt": 106700, "lower_ckt": 87300, "oi": 0,
    }  # fmt: skip
    for level in range(1, 6):
        for side, sign in (("bid", -1), ("ask", 1)):
            base |= {
                f"{side}_px_{level}": 97100 + sign * 5 * level,
                f"{side}_qty_{level}": level,
                f"{side}_ord_{level}": 1,
            }
    base["ask_px_5"] = None
    rows = [base | {"recv_ns": START + n * NS_PER_SECOND, "volume": 7 + n} for n in (1, 0)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "depth.parquet")
    replay = load_replay(tmp_path / "depth.parquet", START, load_instruments())
    row = replay.row("NSE:SBIN-EQ", START)
    assert row["v"] == 7 and replay.row("NSE:SBIN-EQ", START + NS_PER_SECOND)["v"] == 8
    assert row["ltp"] == 971.05 and row["c"] == 970 and row["ch"] == 1.05 and row["chp"] == 0.11
    assert row["bids"][0] == {"price": 970.95, "volume": 1, "ord": 1} and row["ask"][4]["price"] == 0
    assert row["tick_Size"] == 0.05


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
