"""Minutes that Schwab streams, in the lake: provisional until history says them; and the account of the stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.us.test_chart_frames import data, row
from tests.us.test_us_lake import HALF_DAY, MINUTE, OTHER, QQQ, Place

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import entered
from harvester.brokers.bars import Candle, History
from harvester.decode.candles import BarBook
from harvester.decode.candles import Place as Where
from harvester.journal.format import SCHWAB_STREAM
from harvester.lake.certificate.balance import check_day
from harvester.lake.layout import Partition
from harvester.lake.manifest import load_manifest
from runbook.report.report import write_report

BARS = 210


@pytest.fixture(autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


class Stream(Place):
    """The same, with a connection of the stream."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, HALF_DAY, feeds=["schwab-history", "schwab-stream"])

    def at(self, minutes: float) -> None:
        self.clock.now_ns = max(self.clock.now_ns, self.opens + int(minutes * MINUTE))

    def connect(self, minutes: float, *, confirmed: bool = True) -> None:
        self.at(minutes)
        symbols = list(self.settings.symbols)
        self.writer.append_control(
            {"type": "connect", "feed": SCHWAB_STREAM, "stream": 0, "symbols": symbols, "attempt": 1}
        )
        if confirmed:
            answer = {"service": "CHART_EQUITY", "command": "SUBS", "requestid": "1", "content": {"code": 0}}
            self.send(json.dumps({"response": [answer]}).encode())

    def disconnect(self, minutes: float, cause: str = "refused") -> None:
        self.at(minutes)
        end = {"cause": cause, "detail": "told"}
        self.writer.append_control({"type": "disconnect", "feed": SCHWAB_STREAM, "stream": 0, **end})

    def send(self, payload: bytes) -> None:
        now = self.clock.now_ns
        self.writer.append(SCHWAB_STREAM, 0, payload, wall_ns=now, mono_ns=self.clock.mono_ns())

    def minute(self, number: int, *symbols: str, late: float = 0.02, **changes: Any) -> None:
        """A frame with a minute of some tickers, so many minutes after its end."""
        self.at(number + 1 + late)
        begin_ms = (self.opens + number * MINUTE) // NS_PER_MS
        self.send(data(*(row(symbol, f7=begin_ms, **changes) for symbol in symbols or (QQQ,))))

    def told(self, symbol: str = QQQ) -> list[tuple[int, int, int, bool]]:
        """Minute, revision, volume and final of each row."""
        return [
            ((each["ts_begin"] - self.opens) // MINUTE, each["revision"], each["volume"], each["final"])
            for each in self.table("candles")
            if each["symbol"] == symbol
        ]


@pytest.fixture
def place(tmp_path: Path) -> Stream:
    return Stream(tmp_path)


def test_a_streamed_minute_is_a_row_that_is_not_final_until_history_says_it(place: Stream) -> None:
    place.connect(-0.5)
    place.minute(0, f6=90)
    place.answer(1.1, QQQ, [place.candle(0, volume=100)])
    place.minute(1, f6=50)
    same = place.candle(1, volume=50) | {"open": 600.005, "low": 599.99, "close": 600.0}
    place.answer(2.1, QQQ, [place.candle(0, volume=100), same])
    place.answer(3.1, QQQ, [place.candle(0, volume=100), same])
    place.minute(2, f6=7)

    entry = place.close()["candles"]["symbols"][QQQ]

    assert place.told() == [(0, 0, 90, False), (0, 1, 100, True), (1, 0, 50, True), (2, 0, 7, False)]
    assert (entry["recorded"], entry["final"], entry["provisional_by_cause"]) == (3, 2, {"no_data": 1})


def test_the_row_is_of_the_frame_that_said_it_first(place: Stream) -> None:
    place.connect(-0.5)
    place.minute(0, f6=100, f2=600.0, f4=599.5, f5=600.005)
    came_ns = place.clock.now_ns
    place.answer(2.1, QQQ, [place.candle(0)])

    place.close()

    [found] = [each for each in place.table("candles") if each["symbol"] == QQQ]
    assert (found["ts_recv"], found["final"]) == (came_ns, True)


def test_after_history_a_late_minute_of_the_stream_changes_nothing(place: Stream) -> None:
    place.connect(-0.5)
    place.answer(1.1, QQQ, [place.candle(0)])
    place.minute(0, late=1.0, f6=5)

    entry = place.close()["streams"]["schwab-stream"]["symbols"][QQQ]

    assert place.told() == [(0, 0, 100, False)]
    assert entry["minutes"] == 1


def test_minutes_that_come_twice_or_late_are_in_place_once(place: Stream) -> None:
    place.connect(-0.5)
    place.minute(1)
    place.minute(1, late=0.03)
    place.minute(0, late=1.05)
    place.minute(1, late=0.06, f6=13)

    place.close()

    assert place.told() == [(0, 0, 12, False), (1, 0, 12, False), (1, 1, 13, False)]


def test_one_frame_with_several_tickers_is_of_each(place: Stream) -> None:
    place.connect(-0.5)
    place.minute(0, OTHER, QQQ, "NOPE")

    section = place.close()["streams"]["schwab-stream"]

    assert place.told(QQQ) == place.told(OTHER) == [(0, 0, 12, False)]
    assert {name: entry["minutes"] for name, entry in section["symbols"].items()} == {QQQ: 1, OTHER: 1}
    assert (section["frames"], section["leftovers"]) == (2, {"unknown": 1}), "a ticker that nobody records"


def test_what_is_no_bar_of_the_session_is_counted_and_no_row(place: Stream) -> None:
    place.connect(-30)
    place.minute(-10)
    place.minute(0, late=-0.02)
    place.minute(0, f5="x")
    place.minute(0, f6=float("nan"))
    place.send(b"<html>")

    entry = place.close()["streams"]["schwab-stream"]["symbols"][QQQ]

    assert place.told() == []
    assert (entry["minutes"], entry["off_session"], entry["rejected"]) == (0, 1, {"not_over": 1, "unreadable": 2})


def test_a_minute_that_comes_at_the_moment_of_its_end_is_over(place: Stream) -> None:
    place.connect(-0.5)
    place.minute(0, late=0)

    entry = place.close()["streams"]["schwab-stream"]["symbols"][QQQ]

    assert place.told() == [(0, 0, 12, False)] and (entry["minutes"], entry["rejected"]) == (1, {})


def test_the_stream_is_covered_from_the_confirmed_subscription_to_the_end_of_the_connection(place: Stream) -> None:
    place.connect(-0.5)
    place.disconnect(60)
    place.connect(61)
    place.disconnect(BARS + 0.1, "stopped")

    certificate = place.close()

    section = certificate["streams"]["schwab-stream"]
    entry = section["symbols"][QQQ]
    assert (section["unexplained_ns"], section["connection_count"]) == (0, 2)
    assert entry["window_ns"] == BARS * MINUTE and entry["covered_ns"] == (BARS - 1) * MINUTE
    assert entry["gaps_by_cause"] == {"refused": {"ns": MINUTE, "count": 1}}
    gaps = [each for each in place.table("gaps") if each["feed"] == "schwab-stream" and each["symbol"] == QQQ]
    assert [(each["ts_from"], each["ts_to"]) for each in gaps] == [
        (place.opens + 60 * MINUTE, place.opens + 61 * MINUTE)
    ]


def test_of_a_run_that_died_the_stream_is_covered_to_its_last_frame(place: Stream) -> None:
    place.connect(-0.5)
    place.at(100)
    place.send(b'{"notify": [{"heartbeat": "1796055000000"}]}')
    place.at(130)

    section = place.close()["streams"]["schwab-stream"]

    assert section["symbols"][QQQ]["covered_ns"] == 100 * MINUTE and section["unexplained_ns"] == 0
    assert section["leftovers"] == {}


def test_a_subscription_that_is_confirmed_twice_counts_from_the_first_time(place: Stream) -> None:
    place.connect(-0.5)
    place.at(30)
    answer = {"service": "CHART_EQUITY", "command": "ADD", "requestid": "1001", "content": {"code": 28}}
    place.send(json.dumps({"response": [answer]}).encode())
    place.disconnect(BARS + 0.1, "stopped")

    entry = place.close()["streams"]["schwab-stream"]["symbols"][QQQ]

    assert entry["covered_ns"] == BARS * MINUTE


def test_a_frame_after_the_clock_was_set_back_takes_nothing_of_what_is_covered(place: Stream) -> None:
    place.connect(-0.5)
    heartbeat = b'{"notify": [{"heartbeat": "1796055000000"}]}'
    place.at(100)
    place.send(heartbeat)
    place.clock.now_ns -= 5 * MINUTE
    place.send(heartbeat)
    place.at(130)

    assert place.close()["streams"]["schwab-stream"]["symbols"][QQQ]["covered_ns"] == 100 * MINUTE


def test_the_longest_silence_is_between_minutes_and_the_ends_of_the_window(place: Stream) -> None:
    place.connect(-0.5)
    for number in (0, 50, 60):
        place.minute(number)
    last_ns = place.clock.now_ns

    entry = place.close()["streams"]["schwab-stream"]["symbols"][QQQ]

    assert entry["longest_silence_ns"] == place.opens + BARS * MINUTE - last_ns


def test_parts_of_a_frame_that_nobody_knows_are_left_over_in_the_certificate(place: Stream) -> None:
    place.connect(-0.5)
    place.at(10)
    place.send(b'{"snapshot": [], "notify": [{"heartbeat": "1796055000000"}, 7]}')

    assert place.close()["streams"]["schwab-stream"]["leftovers"] == {"unknown": 2}


def test_without_a_confirmed_subscription_nothing_is_covered(place: Stream) -> None:
    place.connect(-0.5, confirmed=False)
    place.at(BARS)

    entry = place.close()["streams"]["schwab-stream"]["symbols"][QQQ]

    assert (entry["covered_ns"], entry["coverage"]) == (0, 0.0)


def test_minutes_that_history_never_said_are_named_with_the_cause_and_the_files_balance(place: Stream) -> None:
    place.connect(-0.5)
    for number in range(3):
        place.minute(number)
    place.answer(3.5, QQQ, [], status=401)
    place.at(BARS + 2)

    certificate = place.close()

    entry = certificate["candles"]["symbols"][QQQ]
    assert entry["provisional_by_cause"] == {"token_refused": 3}
    assert (entry["recorded"], entry["final"], certificate["candles"]["unexplained_bars"]) == (3, 0, 0)
    lake, partition = place.settings.lake_dir, Partition(HALF_DAY, "us1")
    manifest = load_manifest(lake, partition)
    assert manifest and check_day(lake, certificate, manifest.files) == []


def test_the_report_tells_of_the_stream_and_of_what_history_never_said(place: Stream, tmp_path: Path) -> None:
    place.connect(-0.5)
    for number in range(3):
        place.minute(number)
    place.disconnect(60)
    place.close()

    page = write_report(place.settings.lake_dir, tmp_path / "report.html").read_text()

    assert "schwab-stream" in page and "3 minutes streamed" in page
    assert "3 provisional, without the history" in page


def test_a_day_closed_twice_is_the_same(tmp_path: Path) -> None:
    tables = []
    for name in ("one", "other"):
        place = Stream(tmp_path / name)
        place.connect(-0.5)
        for number in range(5):
            place.minute(number, QQQ, OTHER, f6=number + 1)
            place.answer(number + 1.2, QQQ, [place.candle(each, volume=each + 1) for each in range(number + 1)])
        place.close()
        tables.append(
            [{key: value for key, value in each.items() if key != "run_id"} for each in place.table("candles")]
        )
    assert tables[0] == tables[1] and len(tables[0]) == 15


VOLUMES = st.sampled_from([1, 2])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), VOLUMES), max_size=14))
def test_history_always_has_the_last_word_and_provisional_rows_settle_nothing(
    told: list[tuple[bool, int, int]],
) -> None:
    """Whatever comes in whatever order: a bar in force that history spoke of is as history said last."""
    with entered("us"):
        opens = 1_796_049_000 * NS_PER_SECOND
        ends = {opens + number * MINUTE: opens + (number + 1) * MINUTE for number in range(3)}
        book = BarBook(MINUTE, ends, MINUTE, opens + 300 * MINUTE)
        said: dict[int, int] = {}
        for seq, (is_history, number, volume) in enumerate(told):
            now = opens + (4 + seq) * MINUTE
            candle = Candle(opens // NS_PER_SECOND + number * 60, 2, 3, 1, 2, volume)
            if is_history:
                book.see(now, Where(now, 0, seq), History((candle,), ()))
                said[opens + number * MINUTE] = volume
            else:
                book.see_streamed(Where(now, 0, seq), candle)
        for begin, bar in book.in_force().items():
            assert bar.is_provisional is (begin not in said)
            assert begin not in said or bar.values[4] == said[begin]
        assert not any(each.is_final for each in book.rows() if each.begin_ns not in said)
        assert len(book.sent_ns) == sum(is_history for is_history, _, _ in told)
