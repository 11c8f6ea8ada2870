"""Tables of the sockets: the values put in come out, in the right row, once, and nothing else."""

import pytest
from tests.storage.lake.sockets import INFY, NIFTY, OPEN_NS, SBIN, book, ids_of, moment, quote

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.certificate.balance import check_day
from harvester.lake.manifest import load_manifest
from harvester.reader.verify import verify_lake


@pytest.fixture(autouse=True)
def verified(streamed):
    """Whatever a test records: the day it closed is whole and balances."""
    yield
    report = verify_lake(streamed.lake)
    assert report.ok, [day.problems for day in report.days]
    assert all(facts["unexplained_ns"] == 0 for facts in streamed.certificate()["streams"].values())


def record(streamed, frames: int = 40):
    """A session of two stocks and an index on one connection."""
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY, NIFTY])
    recorder.snapshots(0, SBIN, INFY, NIFTY)
    for number in range(1, frames + 1):
        recorder.at(number)
        recorder.quotes(0, SBIN, number)
        recorder.books(0, SBIN, number, number + 1)
        recorder.books(0, INFY, number)
        recorder.entries(0, hsm.update(ids_of(NIFTY)["if"], [2_500_000 + number]))
    recorder.close()
    recorder.stop()
    return recorder


def test_a_row_of_depth_is_one_update_of_a_book(streamed) -> None:
    run = record(streamed).run
    streamed.close()
    rows = streamed.table("depth", SBIN)
    assert len(rows) == 1 + 2 * 40
    for place, row in enumerate(rows[1:]):
        number = 1 + place // 2
        values = book(number + place % 2)
        assert row["bid_px_paise"] + row["ask_px_paise"] == values[:10]
        assert row["bid_qty"] + row["ask_qty"] == values[10:20]
        assert row["bid_ord"] + row["ask_ord"] == values[20:]
        assert (row["action"], row["valid"], row["ts_sched"]) == ("update", True, None)
        assert (row["ts_recv"], row["entry"], row["connection"]) == (moment(number), place % 2, 0)
        assert (row["feed"], row["run_id"], row["in_session"]) == ("fyers-hsm", run.run_id, True)
        assert row["ts_recv"] - row["mono_offset_ns"] == row["ts_recv"] - OPEN_NS + 3_600 * NS_PER_SECOND
    assert (rows[0]["action"], rows[0]["valid"]) == ("snapshot", True)


def test_quotes_have_every_value_of_the_wire_and_indices_theirs(streamed) -> None:
    record(streamed)
    streamed.close()
    rows = streamed.table("quotes", SBIN)
    names = list(rows[0])[11:]
    found = [[row[name] // (NS_PER_SECOND if name.startswith("ts_") else 1) for name in names] for row in rows]
    assert found == [quote(number) for number in range(41)]
    assert [row["ltp_paise"] for row in streamed.table("indices", NIFTY)] == [
        2_500_000 + number for number in range(41)
    ]
    assert streamed.table("indices")[5]["year_low_paise"] == 7


def test_bars_count_volume_between_quotes_and_say_what_is_missing(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    for second, number in ((10, 30), (20, 5), (59, 20), (61, 40), (90, 41)):
        recorder.at(second)
        recorder.quotes(0, SBIN, number)
    recorder.lose(SBIN, 55, 58)
    recorder.close()
    recorder.stop()
    streamed.close()
    first, second = streamed.table("bars", SBIN)
    assert [first[f"{name}_paise"] - 80_000 for name in ("open", "high", "low", "close")] == [0, 30, 0, 20]
    assert (first["volume"], first["updates"], first["gap_ns"]) == (20, 4, 3 * NS_PER_SECOND)
    assert (second["ts_begin"], second["volume"], second["gap_ns"]) == (moment(60), 21, 0)
    assert (second["bid_px_paise"], second["ask_px_paise"]) == (79_995, 80_005)


def test_nothing_is_carried_across_a_reconnect(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.at(10)
    recorder.connect(0, [SBIN])
    name = f"dp|nse_cm|{3045}"
    recorder.entries(0, hsm.snapshot(7, hsm.Topic(name), book(3)))
    recorder.entries(0, hsm.update(ids_of(SBIN)["dp"], book(4)))
    recorder.close()
    recorder.stop()
    streamed.close()
    before, after = streamed.table("depth")
    assert (before["bid_px_paise"][0], before["connection"]) == (book(0)[0], 0)
    assert (after["bid_px_paise"][0], after["connection"], after["action"]) == (book(3)[0], 1, "snapshot")
    assert len(streamed.table("quotes")) == 1, "that quote was the other connection's"
    assert streamed.certificate()["streams"]["fyers-hsm"]["leftovers"] == {"no snapshot": 1}


def test_what_no_decoder_can_read_is_counted_and_the_rest_is_there(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.entries(
        0, hsm.snapshot(9, hsm.Topic("zz|nse_cm|1"), [1, 2]), hsm.snapshot(8, hsm.Topic("dp|nse_cm|9"), book(1))
    )
    recorder.snapshots(0, SBIN)
    dp = ids_of(SBIN)["dp"]
    recorder.entries(0, hsm.update(dp, [*book(2), 77, 78]))
    recorder.frame(FYERS_HSM, 0, hsm.feed(1, [hsm.update(dp, book(3)), hsm.update(dp, book(4))])[:-9])
    recorder.frame(FYERS_HSM, 0, b"\x00\x01\x63")
    recorder.frame(FYERS_HSM, 0, hsm.feed(1, [hsm.update(dp, book(5)), b"Q??"]))
    recorder.entries(0, hsm.snapshot(7, hsm.Topic(f"dp|nse_cm|{3045}", precision=4), [100, 250, *book(6)[2:]]))
    recorder.frame(FYERS_HSM, 0, hsm.notice(51001, "plan limit", 4))
    recorder.close()
    recorder.stop()
    streamed.close(explain="made by hand")
    entry = streamed.certificate()["streams"]["fyers-hsm"]
    assert entry["leftovers"] == {
        "extra values": 1,
        "price finer than a paisa": 1,
        "topic of no connect record": 1,
        "truncated": 1,
        "unknown entry": 1,
        "unknown topic": 1,
        "unknown type": 1,
    }
    assert entry["notices"] == ["51001: plan limit"] and entry["frames"] == 8
    assert [row["bid_qty"][0] for row in streamed.table("depth")] == [100, 102, 103, 105]


def test_prices_of_another_scale_become_paise_exactly(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    prices = [100 * price for price in book(1)[:10]]
    recorder.entries(0, hsm.snapshot(2, hsm.Topic("dp|nse_cm|3045", precision=4), [*prices, *book(1)[10:]]))
    recorder.close()
    recorder.stop()
    streamed.close()
    assert streamed.table("depth")[0]["bid_px_paise"] == book(1)[:5]


def test_a_level_filled_with_zeros_is_absent(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    values = book(1)
    for place in (4, 14, 24):
        values[place] = 0
    recorder.entries(0, hsm.snapshot(2, hsm.Topic("dp|nse_cm|3045"), values))
    recorder.close()
    recorder.stop()
    streamed.close()
    (row,) = streamed.table("depth")
    assert (row["bid_px_paise"][4], row["bid_qty"][4], row["bid_ord"][4]) == (None, 0, 0)
    assert row["valid"], "zeros were given"


def test_shares_at_the_price_0_are_a_level_as_orders_at_the_market_before_the_opening_are(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    values = book(1)
    values[0] = values[5] = 0
    recorder.entries(0, hsm.snapshot(2, hsm.Topic("dp|nse_cm|3045"), values))
    recorder.close()
    recorder.stop()
    streamed.close()
    (row,) = streamed.table("depth")
    assert (row["bid_px_paise"][0], row["bid_qty"][0], row["bid_ord"][0]) == (0, values[10], values[20])
    assert (row["ask_px_paise"][0], row["ask_qty"][0], row["ask_ord"][0]) == (0, values[15], values[25])


def test_a_lost_connect_record_is_made_good_by_another_of_the_day(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.control("connect", feed=FYERS_HSM, stream="broken")
    recorder.snapshots(0, SBIN)
    recorder.at(20)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN, number=1)
    recorder.close()
    recorder.stop()
    streamed.close()
    assert [row["connection"] for row in streamed.table("depth")] == [1, 0]
    assert streamed.certificate()["journal"]["malformed_control_records"] == 1


def test_data_outside_the_window_is_kept_and_flagged(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN)
    recorder.at(100)
    recorder.books(0, SBIN, 2)
    recorder.entries(0, hsm.snapshot(9, hsm.Topic("sf|nse_cm|1594"), quote(1)))
    recorder.close()
    recorder.stop()
    streamed.close()
    assert [row["in_session"] for row in streamed.table("depth")] == [True, False]
    assert streamed.facts(SBIN)["off_session"] == 1
    assert [row["symbol"] for row in streamed.table("bars")] == [SBIN], "a quote after the close makes no bar"


def test_rows_stay_in_the_order_of_receipt_when_the_clock_was_set_back(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    for second in (10, 20, 5, 6, 30):
        recorder.clock.now_ns = moment(second)
        recorder.books(0, SBIN, second)
    recorder.close()
    recorder.stop()
    streamed.close()
    assert [(row["ts_recv"] - OPEN_NS) // NS_PER_SECOND for row in streamed.table("depth")] == [0, 10, 20, 5, 6, 30]


def test_polls_and_sockets_share_the_tables_of_books_and_of_quotes(streamed) -> None:
    recorder = streamed.sockets(polled=(SBIN,))
    recorder.open(feeds=[1, FYERS_HSM])
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.control("polling", from_ns=moment(30), interval_ns=5 * NS_PER_SECOND)
    for number in range(3):
        recorder.poll(0, SBIN, sched_ns=moment(30 + 5 * number))
    recorder.control("polling_end", to_ns=moment(50))
    recorder.at(60)
    recorder.books(0, SBIN, 1)
    recorder.close()
    recorder.stop()
    streamed.close()
    assert [row["feed"] for row in streamed.table("depth")] == ["fyers-hsm", *["fyers-rest"] * 3, "fyers-hsm"]
    assert [row["feed"] for row in streamed.table("quotes")] == ["fyers-hsm", *["fyers-rest"] * 3]
    entry = streamed.certificate()["symbols"][SBIN]
    assert (entry["expected"], entry["recorded_slots"], entry["gaps_by_cause"]) == (4, 3, {"unknown": 1})
    (gap,) = [gap for gap in streamed.gaps(SBIN) if gap.feed == "fyers-rest"]
    assert (gap.from_ns, gap.to_ns, gap.slots) == (moment(45), moment(50), 1)


def test_fifty_levels_are_a_row_a_message(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_TBT])
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.book50(0, SBIN, 0, snapshot=True)
    for number in range(1, 6):
        recorder.at(number)
        recorder.book50(0, SBIN, number)
    recorder.frame(FYERS_TBT, 0, b"\xff\xff not a message")
    recorder.close()
    recorder.stop()
    streamed.close(explain="made by hand")
    rows = streamed.table("depth50")
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[5]["bid_px_paise"] == [80_000 - 5 * slot for slot in range(50)]
    assert rows[5]["ask_qty"][:4] == [25, 26, 27, 23] and rows[5]["ask_ord"] == [2] * 50
    assert (rows[0]["action"], rows[5]["action"], rows[5]["total_sell_qty"]) == ("snapshot", "update", 2_000)
    facts = streamed.facts(SBIN, "fyers-tbt")
    (chain,) = facts["sequence"]["connections"]
    assert (chain["first"], chain["last"], chain["messages"], facts["sequence"]["missing"]) == (1, 6, 6, 0)
    assert facts["coverage"] == 1.0 and facts["skew_ms"]["max"] == 0
    assert streamed.certificate()["streams"]["fyers-tbt"]["leftovers"] == {"malformed": 1}


def test_a_second_build_gives_the_same_files(streamed) -> None:
    record(streamed)
    streamed.close()
    tables = {kind: streamed.current(kind).read_bytes() for kind in ("depth", "quotes", "indices", "bars", "gaps")}
    assert streamed.close(rebuild=True).manifest.generation == 2
    assert {kind: streamed.current(kind).read_bytes() for kind in tables} == tables


def test_accounts_that_are_not_those_of_the_files_are_refused(streamed) -> None:
    record(streamed)
    streamed.close()
    certificate, manifest = streamed.certificate(), load_manifest(streamed.lake, streamed.partition)
    facts = certificate["streams"]["fyers-hsm"]["symbols"][SBIN]
    facts["covered_ns"] -= 1
    facts["updates"]["depth"] += 1
    flaws = "; ".join(check_day(streamed.lake, certificate, manifest.files))
    assert "are covered, counted" in flaws and "depth has 81 rows of fyers-hsm, the certificate says 82" in flaws


def test_a_segment_still_being_written_is_refused(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.at(100)
    with pytest.raises(HarvesterError, match="still writing it"):
        streamed.close()
    recorder.close()
    recorder.stop()
    streamed.close()
