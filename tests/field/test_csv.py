"""The CSV in the old format as a person uses it: a pivot on time has every symbol in every line."""

import csv
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest
from tests.journals import INTERVAL_NS, SYMBOLS, answer
from tests.storage.lake.conftest import SLOTS, Place, StreamedPlace
from tests.storage.lake.relisting import bring
from tests.storage.lake.sockets import INFY, SBIN, SocketRecorder, book, ids_of, moment

from exchange.wire import hsm
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.cli import run
from harvester.reader.export import export_csv

Table = dict[tuple[str, str], dict[str, str]]


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path)


def clock(seconds: float) -> str:
    """So many seconds after the opening as the file writes it."""
    return to_local(moment(seconds)).isoformat(timespec="microseconds")


def export(place: Place, every_ns: int | None = None, symbols: Collection[str] = ()) -> Table:
    """The rows by time stamp and symbol, which occur once each, in the order of the file."""
    path, count = export_csv(place.lake, place.partition.date, place.root / "out", symbols, every_ns)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    table = {(row["timestamp"], row["symbol"]): row for row in rows}
    assert len(table) == len(rows) == count
    assert [*table] == sorted(table)
    return table


def times_of(table: Table, symbol: str) -> list[str]:
    return [time for time, name in table if name == symbol]


def end(place: StreamedPlace, recorder: SocketRecorder) -> None:
    recorder.close()
    recorder.stop()
    place.close()


def test_polls_of_one_slot_have_one_time_stamp_that_of_the_schedule(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.record_all()
    place.close()
    table = export(place)
    at = [clock(5 * slot) for slot in range(SLOTS)]
    assert times_of(table, SBIN) == times_of(table, INFY) == at


def test_a_poll_without_data_has_no_row_and_takes_none_of_another_slot(tmp_path: Path) -> None:
    place = Place(tmp_path)
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll(0, SBIN)
    recorder.poll(1, SBIN, status=503, body=b"")
    for slot in range(2, SLOTS):
        recorder.poll(slot, SBIN)
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    assert times_of(export(place), SBIN) == [clock(5 * slot) for slot in range(SLOTS) if slot != 1]


def test_a_pivot_of_polls_and_sockets_together_has_no_holes(place: StreamedPlace) -> None:
    recorder = place.sockets(polled=(SBIN, INFY))
    recorder.open(feeds=[1, 2], interval_ns=INTERVAL_NS)
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    for second in range(1, 100):
        recorder.at(second)
        recorder.books(0, SBIN if second % 3 else INFY, second)
        if second % 5 == 0:
            recorder.poll(0, SBIN, sched_ns=moment(second))
            recorder.poll(0, INFY, sched_ns=moment(second))
    end(place, recorder)
    lines = Counter(time for time, _ in export(place))
    assert list(lines) == [clock(5 * slot) for slot in range(20)]
    assert set(lines.values()) == {2}


def test_the_poll_of_a_time_counts_before_a_book_of_the_socket(place: StreamedPlace) -> None:
    recorder = place.sockets(polled=(SBIN,))
    recorder.open(feeds=[1, 2], interval_ns=50 * NS_PER_SECOND)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.at(49)
    recorder.books(0, SBIN, 7)
    recorder.poll(0, SBIN, sched_ns=moment(50), body=answer(SBIN, ltp=812.35))
    end(place, recorder)
    table = export(place)
    assert table[clock(0), SBIN]["bid_px_1"] == "799.95", "that poll was missed, and the socket had the book"
    assert table[clock(50), SBIN]["ltp"] == "812.35"


def test_without_polls_a_line_comes_every_five_seconds_with_the_book_known_then(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    for second in (4, 5, 6, 90):
        recorder.at(second)
        recorder.books(0, SBIN, second)
    end(place, recorder)
    table = export(place)
    assert times_of(table, SBIN) == times_of(table, INFY) == [clock(5 * slot) for slot in range(20)]
    qty = [table[clock(5 * slot), SBIN]["bid_qty_1"] for slot in range(20)]
    assert qty == ["100", "105", *["106"] * 16, "190", "190"], "a quiet symbol's book stays known"


def test_a_book_from_before_a_gap_is_not_known_in_it_nor_after_it(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    recorder.at(42)
    recorder.books(0, INFY, 3)
    recorder.control("disconnect", feed=2, stream=0, cause="disconnect", detail="")
    recorder.lose(SBIN, 42, 58)
    recorder.lose(INFY, 42, 58)
    recorder.at(58)
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN)
    recorder.entries(0, hsm.snapshot(ids_of(INFY)["sf"], hsm.Topic("sf|nse_cm|1594"), [1] * 21))
    recorder.at(71)
    recorder.entries(0, hsm.snapshot(ids_of(INFY)["dp"], hsm.Topic("dp|nse_cm|1594"), book(9)))
    end(place, recorder)
    table = export(place)
    early, late = [clock(5 * slot) for slot in range(9)], [clock(5 * slot) for slot in range(12, 20)]
    assert times_of(table, SBIN) == early + late
    assert times_of(table, INFY) == early + late[3:], "its quote came back at 58 s, its book at 71 s"


def test_a_snapshot_that_ends_a_gap_is_known_at_once(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.lose(SBIN, 42, 60)
    recorder.at(60)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN, number=1)
    end(place, recorder)
    assert times_of(export(place), SBIN)[9:] == [clock(5 * slot) for slot in range(12, 20)]


def test_a_book_whose_quote_is_not_known_yet_has_no_price_of_a_trade(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.entries(0, hsm.snapshot(ids_of(SBIN)["dp"], hsm.Topic("dp|nse_cm|3045"), book(1)))
    end(place, recorder)
    row = export(place)[clock(0), SBIN]
    assert [row[name] for name in ("ltp", "total_buy_qty", "total_sell_qty")] == ["", "", ""]
    assert row["bid_px_1"] == "799.96"


def test_a_gap_of_one_feed_does_not_make_what_another_lost_known(place: StreamedPlace) -> None:
    recorder = place.sockets(polled=(SBIN,))
    recorder.open(feeds=[1, 2], interval_ns=50 * NS_PER_SECOND)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.poll(0, SBIN, sched_ns=moment(0))
    recorder.at(5)
    recorder.books(0, SBIN, 5)
    recorder.lose(SBIN, 5, None)
    recorder.control("disconnect", feed=2, stream=0, cause="disconnect", detail="")
    end(place, recorder)
    assert {gap.feed for gap in place.gaps(SBIN)} == {"fyers-rest", "fyers-hsm"}
    assert times_of(export(place, 10 * NS_PER_SECOND), SBIN) == [clock(0)]


def test_a_poll_of_another_time_is_not_taken_for_that_of_the_line(place: StreamedPlace) -> None:
    """One nanosecond beside it, beside rows of a socket that have no scheduled time."""
    recorder = place.sockets(polled=(SBIN,))
    recorder.open(feeds=[1, 2], interval_ns=50 * NS_PER_SECOND)
    recorder.poll(0, SBIN, sched_ns=moment(10) + 1)
    recorder.at(60)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    end(place, recorder)
    assert times_of(export(place, 10 * NS_PER_SECOND), SBIN) == [clock(at) for at in (60, 70, 80, 90)]


def test_a_gap_before_a_row_does_not_carry_it_into_the_next_window(place: StreamedPlace) -> None:
    recorder = place.sockets(polled=(SBIN,))
    windows = ((moment(0), moment(20)), (moment(50), moment(70)))
    for opens, closes in windows:
        recorder.clock.now_ns = opens
        recorder.control("window_open", open_ns=opens, close_ns=closes, interval_ns=10 * NS_PER_SECOND, feeds=[1])
        slot = opens + 10 * NS_PER_SECOND
        recorder.poll(0, SBIN, sched_ns=slot)
        recorder.clock.now_ns = closes
        recorder.control("window_close", open_ns=opens, close_ns=closes)
    recorder.stop()
    place.close(symbols=(SBIN,), windows=windows, interval_ns=10 * NS_PER_SECOND)
    assert times_of(export(place), SBIN) == [clock(10), clock(60)]
    assert times_of(export(place, 3 * NS_PER_SECOND), SBIN) == [clock(at) for at in (12, 15, 18, 62, 65, 68)]


def test_a_book_of_one_window_is_not_known_in_the_next(place: StreamedPlace) -> None:
    recorder = place.sockets(polled=(SBIN,))
    windows = ((moment(0), moment(20)), (moment(50), moment(70)))
    for opens, closes in windows:
        recorder.clock.now_ns = opens
        recorder.control("window_open", open_ns=opens, close_ns=closes, interval_ns=10 * NS_PER_SECOND, feeds=[1])
        for slot in range(2):
            recorder.poll(0, SBIN, sched_ns=opens + slot * 10 * NS_PER_SECOND)
        recorder.poll(0, SBIN, sched_ns=closes - 32 * NS_PER_MS)  # its answer comes as the window closes
        recorder.clock.now_ns = closes
        recorder.control("window_close", open_ns=opens, close_ns=closes)
    recorder.stop()
    place.close(symbols=(SBIN,), windows=windows, interval_ns=10 * NS_PER_SECOND)
    assert times_of(export(place), SBIN) == [clock(at) for at in (0, 10, 50, 60)]
    sevens = times_of(export(place, 7 * NS_PER_SECOND), SBIN)
    assert sevens == [clock(at) for at in (0, 7, 14, 50, 57, 64)]
    halves = times_of(export(place, NS_PER_SECOND // 100), SBIN)
    assert halves[:5] == [clock(0), *(clock(at / 100) for at in (4, 5, 6, 7))], "the answer came 32 ms after its time"
    assert clock(50) in halves and clock(50.01) not in halves and clock(50.04) in halves


def test_other_times_can_be_asked_for(place: StreamedPlace, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    end(place, recorder)
    assert times_of(export(place, 30 * NS_PER_SECOND), SBIN) == [clock(at) for at in (0, 30, 60, 90)]

    words = ["export", "--csv", "--date", "2026-11-23", "--lake", str(place.lake), "--output", str(place.root / "o")]
    assert run([*words, "--every", "0.5"]) == 0
    assert "200 rows" in capsys.readouterr().out
    for wrong in ("0", "-5", "often", "1e-9", "nan", "inf"):
        assert run([*words, f"--every={wrong}"]) == 2
        assert f"--every '{wrong}'" in capsys.readouterr().err


def test_a_symbol_that_two_hosts_recorded_has_one_row_a_time(tmp_path: Path) -> None:
    places = []
    for host, slots in (("a", range(10)), ("b", range(5, SLOTS))):
        place = Place(tmp_path / host)
        place.partition = place.partition._replace(host=host)
        recorder = place.start()
        recorder.open_window(SLOTS)
        recorder.poll_all(*slots)
        recorder.close_window(SLOTS)
        recorder.stop()
        place.close()
        places.append(place)
    both, other = places
    bring(other, both)
    table = export(both)
    assert times_of(table, SBIN) == times_of(table, INFY) == [clock(5 * slot) for slot in range(SLOTS)]
    assert set(times_of(export(both, symbols=[INFY]), SBIN)) == set()


def test_a_day_without_any_book_is_a_header_or_a_sentence(tmp_path: Path) -> None:
    place = Place(tmp_path)
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.close_window(SLOTS)
    recorder.stop()
    place.close()
    assert export(place) == {}
    with pytest.raises(ConfigError, match="there is: nothing"):
        export(place, symbols=SYMBOLS)
