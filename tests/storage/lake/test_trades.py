"""Trades of a closed day: what came of which quotes, what a gap makes of them, what verify says of others."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journals import OPEN_NS, answer
from tests.storage.lake.sockets import INFY, SBIN, ids_of, moment, quote
from tests.trade_walk import Quote, from_matrix, to_matrix

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.lake.certificate.balance import check_day
from harvester.lake.manifest import load_manifest
from harvester.lake.tables.trades import Trades, Watched
from harvester.reader.verify import verify_lake

OPEN_S = OPEN_NS // NS_PER_SECOND


def trade(streamed: Any, symbol: str = SBIN) -> list[tuple[Any, ...]]:
    return [
        ((row["ts_recv"] - OPEN_NS) / NS_PER_SECOND, row["qty"], row["kind"])
        for row in streamed.table("trades", symbol)
    ]


def show(recorder: Any, second: float, volume: int, ltq: int = 5, stream: int = 0, **changes: int) -> None:
    """A quote of SBIN with this volume of the day."""
    recorder.at(second)
    told = {"vol_traded_today": volume, "last_traded_qty": ltq, "last_traded_time": OPEN_S + int(second)}
    values = quote(0, **(told | changes))
    recorder.entries(stream, hsm.update(ids_of(SBIN)["sf"], values))


@pytest.fixture(autouse=True)
def verified(streamed):
    """Whatever a test records: the day it closed is whole and balances."""
    yield
    if streamed.lake.exists():
        report = verify_lake(streamed.lake)
        assert report.ok, [day.problems for day in report.days]


def test_each_column_of_a_print(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    show(recorder, 3, 1_005, ltp=80_005)
    recorder.close()
    recorder.stop()
    streamed.close()

    [row] = streamed.table("trades")
    [_, shown] = streamed.table("quotes")
    same = ["symbol", "ts_recv", "mono_offset_ns", "feed", "run_id", "seq", "entry", "connection", "in_session"]
    assert {name: row.pop(name) for name in same} == {name: shown[name] for name in same}
    assert row == {
        "ts_event": moment(3), "px_paise": 80_005, "qty": 5, "last_qty": 5, "volume": 1_005, "kind": "print",
        "side_inferred": "buy",
    }  # fmt: skip
    assert streamed.certificate()["trades"] == {
        SBIN: {"print": 1, "aggregate": 0, "unmatched": 0, "gap": 0, "shares": 5, "late_quotes": 0, "resets": 0}
    }


def test_who_took_is_told_by_the_middle_of_the_quote_before() -> None:
    told = {
        (100, 110, 106): "buy", (100, 110, 105): "unknown", (100, 110, 104): "sell", (100, 111, 106): "buy",
        (100, 111, 105): "sell", (1, 3, 3): "buy", (0, 110, 1): "unknown", (110, 110, 200): "unknown",
        (111, 110, 1): "unknown", (None, 110, 1): "unknown", (100, None, 200): "unknown",
    }  # fmt: skip
    for (bid, ask, price), side in told.items():
        quotes = [Quote(0, 10, 100, bid=bid, ask=ask), Quote(1, 15, price, ltq=5)]
        [trade] = from_matrix(Trades(Watched([(0, 9)], ()), Watched((), ())).see(to_matrix(quotes)))
        assert (trade.kind, trade.side) == ("print", side), (bid, ask, price)


def test_a_gap_of_the_socket_makes_no_print(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    show(recorder, 3, 1_005)
    show(recorder, 4, 1_020)
    show(recorder, 5, 1_022)
    recorder.lose(SBIN, 5, 20)
    recorder.at(20)
    recorder.connect(0, [SBIN, INFY])
    recorder.entries(
        0, hsm.snapshot(1, hsm.Topic("sf|nse_cm|3045"), quote(0, vol_traded_today=1_027, last_traded_qty=5))
    )
    show(recorder, 21, 1_032)
    recorder.close()
    recorder.stop()
    streamed.close()

    assert trade(streamed) == [
        (3, 5, "print"), (4, 15, "aggregate"), (5, 2, "unmatched"), (20, 5, "gap"), (21, 5, "print"),
    ]  # fmt: skip
    assert [row["last_qty"] for row in streamed.table("trades")] == [5, 5, 5, 5, 5]


def test_another_run_makes_no_print(streamed) -> None:
    for second, number in ((0, 0), (30, 7)):
        streamed.clock.now_ns = moment(second)
        recorder = streamed.sockets()
        recorder.open()
        recorder.connect(0, [SBIN])
        recorder.snapshots(0, SBIN, number=number)
        recorder.stop()
    streamed.close()

    assert trade(streamed) == [(30, 7, "gap")], "by the quantities alone it could be a print"


def test_a_late_quote_is_no_trade_and_a_count_that_begins_anew_is_none(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    show(recorder, 10, 2_000, ltq=1_000)
    recorder.entries(
        0,
        hsm.update(
            ids_of(SBIN)["sf"], quote(0, vol_traded_today=1_990, last_traded_qty=5, last_traded_time=OPEN_S + 9)
        ),
    )
    show(recorder, 11, 2_005)
    show(recorder, 12, 30, last_traded_time=OPEN_S + 86_400)
    show(recorder, 13, 35)
    recorder.close()
    recorder.stop()
    streamed.close()

    assert trade(streamed) == [(10, 1_000, "print"), (11, 5, "print"), (12, 30, "aggregate"), (13, 5, "print")]
    facts = streamed.certificate()["trades"][SBIN]
    assert (facts["shares"], facts["late_quotes"], facts["resets"]) == (1_040, 1, 1)


def test_of_two_connections_each_share_counts_once(streamed) -> None:
    """The second connection is behind, and has states that the first did not bring."""
    recorder = streamed.sockets()
    recorder.open()
    for stream in (0, 1):
        recorder.connect(stream, [SBIN])
        recorder.snapshots(stream, SBIN)
    show(recorder, 5, 1_005)
    show(recorder, 6, 1_010)
    show(recorder, 6, 1_003, ltq=3, stream=1)
    show(recorder, 7, 1_010, stream=1)
    show(recorder, 8, 1_011, ltq=1, stream=1)
    recorder.close()
    recorder.stop()
    streamed.close()

    assert trade(streamed) == [(5, 5, "print"), (6, 5, "print"), (8, 1, "print")]


def test_polls_give_the_trades_while_the_socket_sees_nothing(streamed) -> None:
    recorder = streamed.sockets(polled=(SBIN,))
    recorder.open(feeds=(1, 2))
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    show(recorder, 2, 1_005)
    recorder.lose(SBIN, 2, 22)
    recorder.at(4)
    recorder.control("polling", from_ns=moment(5), interval_ns=5 * NS_PER_SECOND)
    for slot, volume, ltq in ((1, 1_008, 3), (2, 1_012, 4), (3, 1_020, 4), (4, 1_020, 4)):
        recorder.poll(slot, SBIN, body=answer(SBIN, v=volume, ltq=ltq, ltt=OPEN_S + 5 * slot))
    recorder.at(22)
    recorder.connect(0, [SBIN])
    recorder.entries(
        0, hsm.snapshot(1, hsm.Topic("sf|nse_cm|3045"), quote(0, vol_traded_today=1_021, last_traded_qty=1))
    )
    recorder.at(24)
    recorder.control("polling_end", to_ns=moment(25))
    show(recorder, 24.5, 1_024, ltq=3)
    recorder.poll(5, SBIN, body=answer(SBIN, v=1_030, ltq=6))
    show(recorder, 26, 1_031, ltq=7)
    recorder.close()
    recorder.stop()
    streamed.close(symbols=(SBIN,))

    assert trade(streamed) == [
        (2, 5, "print"),
        (5.032, 3, "gap"),
        (10.032, 4, "print"),
        (15.032, 8, "aggregate"),
        (22, 1, "print"),
        (24.5, 3, "print"),
        (26, 7, "print"),
    ]
    assert {row["connection"] for row in streamed.table("trades") if row["feed"] == "fyers-rest"} == {None}


def test_polls_alone(place) -> None:
    recorder = place.start()
    recorder.open_window(4)
    for slot, volume in ((0, 100), (1, 107), (3, 114)):
        recorder.poll(slot, SBIN, body=answer(SBIN, v=volume))
    recorder.gap(SBIN, 2, 3, "timeout")
    recorder.close_window(4)
    recorder.stop()
    place.close(windows=())

    [one, other] = pq.read_table(place.current("trades")).to_pylist()
    assert (one["qty"], one["kind"], one["feed"]) == (7, "print", "fyers-rest")
    assert (other["qty"], other["kind"]) == (7, "gap")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("kind", "gap", "print of its trades are 1, the certificate says 2"),
        ("qty", 4, "shares of its trades are 9, the certificate says 10"),
        ("volume", 1_004, "1 of its trades do not follow from the volume before"),
        ("symbol", INFY, "NSE:INFY-EQ: has trades, but no entry of them"),
    ],
)
def test_a_table_that_disagrees_is_found(streamed, column: str, value: Any, said: str) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    show(recorder, 3, 1_005)
    show(recorder, 4, 1_010)
    recorder.close()
    recorder.stop()
    streamed.close()
    files = load_manifest(streamed.lake, streamed.partition).files
    path = streamed.current("trades")
    whole = path.read_bytes()
    rows = pq.read_table(path, partitioning=None)
    changed = rows.slice(0, 1).to_pylist()[0] | {column: value}
    pq.write_table(pa.concat_tables([pa.Table.from_pylist([changed], rows.schema), rows.slice(1)]), path)

    flaws = check_day(streamed.lake, streamed.certificate(), files)

    path.write_bytes(whole)
    assert any(said in flaw for flaw in flaws), flaws
    without = [entry for entry in files if not entry.path.startswith("trades")]
    assert "the table trades is not listed, and should have rows" in check_day(
        streamed.lake, streamed.certificate(), without
    )
