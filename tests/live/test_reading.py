"""What the page is told of a day, from journals that were written by hand."""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS, HandClock, HandRecorder
from tests.live.conftest import INFY, MINUTE_NS, SBIN, LiveHost, settings_of, sockets
from tests.storage.lake.sockets import book, ids_of, topics_of
from tests.us.test_chart_frames import data
from tests.us.test_chart_frames import row as chart_row
from tests.us.test_us_lake import Place

from exchange.wire import hsm
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import entered
from harvester.decode.hsm_layout import DEPTH
from harvester.indicators.averages import averages_of
from harvester.journal.format import DATA, SCHWAB_STREAM, Record
from harvester.lake.day.segments import Source
from harvester.live.bars import Change, LiveBars
from harvester.live.tail import JournalTail

HALF_DAY = date(2026, 11, 27)


def ms(wall_ns: int) -> int:
    return wall_ns // NS_PER_MS


def polled(root: Path, **changes: Any) -> LiveHost:
    settings = settings_of(root, feeds=["fyers-rest"], **changes)
    return LiveHost(root, settings, HandClock(OPEN_NS))


def test_sockets_become_books_of_both_depths_and_a_price_in_rupees(nse: LiveHost) -> None:
    recorder = sockets(nse)
    recorder.at(30)
    recorder.quotes(0, SBIN, 1, 7)
    recorder.books(0, SBIN, 3, 4)
    recorder.at(31)
    recorder.book50(0, SBIN, 5)
    nse.say(SBIN)

    shown = nse.answer(SBIN)["shown"]

    assert shown["newest"] == [ms(OPEN_NS), 800.07, 7, 800.07, 800.07] and shown["points"] == []
    fifty, five = shown["ladders"]
    assert (fifty["feed"], fifty["valid"], len(fifty["bids"]), len(fifty["asks"])) == ("fyers-tbt", True, 50, 50)
    assert fifty["bids"][:2] == [(800.0, 15, 1), (799.95, 16, 1)] and fifty["at"] == ms(OPEN_NS + 31 * NS_PER_SECOND)
    assert (five["feed"], len(five["bids"]), five["bids"][0]) == ("fyers-hsm", 5, (799.99, 104, 1))
    assert five["asks"][0] == (800.09, 604, 6) and five["at"] == ms(OPEN_NS + 30 * NS_PER_SECOND)


def test_a_level_without_shares_is_no_level_of_the_book(nse: LiveHost) -> None:
    """A socket keeps the last price of a level that has gone, and says 0 shares."""
    recorder = sockets(nse)
    emptied = dict(zip(DEPTH.fields, book(3), strict=True)) | {"bid_qty_2": 0, "ask_qty_5": 0}
    recorder.entries(0, hsm.update(ids_of(SBIN)["dp"], [*emptied.values()]))
    recorder.book50(0, SBIN, -11)  # of its first two bids 10 + 1 - 11 and so on: -1 and 0 shares
    nse.say(SBIN)

    fifty, five = nse.answer(SBIN)["shown"]["ladders"]

    assert [(len(five["bids"]), len(five["asks"])), [price for price, *_ in five["bids"]]] == [
        (4, 4),
        [799.98, 799.88, 799.83, 799.78],
    ]
    assert fifty["feed"] == "fyers-tbt"


def test_an_answer_of_a_poll_is_a_book_and_a_price(tmp_path: Path) -> None:
    host = polled(tmp_path, poll={"interval_seconds": 15.0})
    recorder = HandRecorder(host.settings.journal_dir, host.clock)
    recorder.poll_all(0, 1)
    recorder.poll(2, SBIN, status=500, body=b"{}")

    shown = host.answer(INFY)["shown"]

    assert shown["newest"][:2] == [ms(OPEN_NS), 800.05] and shown["source"] == "last prices"
    assert [(each["feed"], each["bids"][0], each["valid"]) for each in shown["ladders"]] == [
        ("fyers-rest", (800.0, 10, 1), True)
    ]
    assert shown["patience"] == 30_000, "of two polls"


def test_a_book_is_not_valid_from_a_missing_number_to_the_next_snapshot(nse: LiveHost) -> None:
    recorder = sockets(nse)
    recorder.book50(0, SBIN, 1, sequence=9)
    assert nse.answer(SBIN)["shown"]["ladders"][0]["valid"] is False
    recorder.book50(0, SBIN, 2, snapshot=True)
    assert nse.answer(SBIN)["shown"]["ladders"][0]["valid"] is True


def test_a_book_of_which_the_broker_has_not_said_all_is_not_valid_until_it_has(nse: LiveHost) -> None:
    recorder = sockets(nse)
    [name] = [name for name in topics_of([SBIN]) if name.startswith("dp")]
    recorder.entries(0, hsm.snapshot(ids_of(SBIN)["dp"], hsm.Topic(name), [*book(1)[:-1], None]))
    assert [each["valid"] for each in nse.answer(SBIN)["shown"]["ladders"]] == [True, False]
    recorder.books(0, SBIN, 2)
    assert [each["valid"] for each in nse.answer(SBIN)["shown"]["ladders"]] == [True, True]


def test_gaps_are_those_of_the_symbol_and_last_until_they_are_closed(nse: LiveHost) -> None:
    recorder = sockets(nse)
    recorder.lose(SBIN, 10, 20, "stale")
    recorder.lose(INFY, 15, None)
    recorder.lose(SBIN, 30, None)
    recorder.control("gap_close", gap_id="nobody", to_ns=1)
    recorder.control("gap_open", gap_id="without symbols")

    def gaps(symbol: str) -> list[list[Any]]:
        found: list[list[Any]] = nse.answer(symbol)["shown"]["gaps"]
        return found

    opens = ms(OPEN_NS)
    assert gaps(SBIN) == [
        [opens + 10_000, opens + 20_000, "fyers-hsm", "stale"],
        [opens + 30_000, None, "fyers-hsm", "disconnect"],
    ]
    assert gaps(INFY) == [[opens + 15_000, None, "fyers-hsm", "disconnect"]]


def test_a_start_of_another_run_goes_on_where_the_day_was(nse: LiveHost) -> None:
    first = sockets(nse)
    first.at(30)
    first.quotes(0, SBIN, 7)
    before = nse.answer(SBIN)
    first.die()
    nse.clock.now_ns = OPEN_NS + 65 * NS_PER_SECOND
    second = sockets(nse)
    second.quotes(0, SBIN, 9)

    shown = nse.answer(SBIN, have=before["shown"]["points_id"])["shown"]

    assert shown["points"] == [[ms(OPEN_NS), 800.07, 7, 800.07, 800.07]] and shown["newest"][1] == 800.09


def test_a_segment_that_is_sealed_while_it_is_looked_at_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = polled(tmp_path)
    recorder = HandRecorder(host.settings.journal_dir, host.clock)
    for number in range(0, 200, 40):  # a new segment after five minutes
        recorder.poll(number, SBIN)
        recorder.writer.sync()
    folder = host.settings.journal_dir / str(DAY)
    recorder.stop()
    tail = JournalTail(folder, tmp_path / "none")
    names = sorted(path.name for path in folder.glob("*.seg"))
    assert len(names) > 2
    middle = folder / names[1]
    seen = []
    for _, record in tail.records():
        if not seen:
            middle.rename(middle.with_suffix(".open"))  # its name changes after the folder was listed
        seen.append(record.seq)
    assert seen == list(range(1, seen[-1] + 1)), "one look takes all, in order: it lists the folder again"
    assert list(tail.records()) == []


def test_a_segment_of_the_same_tick_of_the_clock_as_the_last_look_is_found(tmp_path: Path) -> None:
    """The kernel's clock goes in steps: the folder has the time that it had when it was listed."""
    host = polled(tmp_path)
    first = HandRecorder(host.settings.journal_dir, host.clock)
    first.poll(0, SBIN)
    first.stop()
    folder = host.settings.journal_dir / str(DAY)
    tail = JournalTail(folder, tmp_path / "none")
    known = len(list(tail.records()))
    listed = folder.stat()
    second = HandRecorder(host.settings.journal_dir, host.clock)
    second.poll(1, SBIN)
    second.stop()
    os.utime(folder, ns=(listed.st_atime_ns, listed.st_mtime_ns))

    assert known and len(list(tail.records())) >= 2


def test_what_is_the_same_is_not_sent_again_and_the_newest_bar_always(nse: LiveHost) -> None:
    recorder = sockets(nse)
    for minute in (0, 1, 2):
        recorder.at(minute * 60 + 5)
        recorder.quotes(0, SBIN, minute)
    first = nse.answer(SBIN)["shown"]
    recorder.quotes(0, SBIN, 40)
    again = nse.answer(SBIN, have=first["points_id"])["shown"]
    other = nse.answer(INFY, have=first["points_id"])["shown"]
    recorder.at(185)
    recorder.quotes(0, SBIN, 41)
    later = nse.answer(SBIN, have=first["points_id"])["shown"]

    assert len(first["points"]) == 2 and first["newest"][1] == 800.02
    assert (again["points"], again["newest"][1]) == (None, 800.4)
    assert other["name"] == INFY and other["points"] == []
    assert len(later["points"]) == 3 and later["points"][-1][1] == 800.4


def test_symbols_are_narrowed_and_one_that_is_not_recorded_is_not_shown(nse: LiveHost) -> None:
    sockets(nse)
    nse.say(INFY)

    answer = nse.answer("NSE:NOPE-EQ", like="inf")

    assert answer["shown"]["name"] == SBIN and answer["count"] == 1
    assert [(row["name"], row["last"]) for row in answer["symbols"]] == [(INFY, ms(nse.clock.now_ns))]
    assert nse.answer(like="zzz")["symbols"] == []


def test_rate_and_age_are_the_recorders_and_start_anew_with_another_run(nse: LiveHost) -> None:
    sockets(nse)
    for _ in range(31):
        nse.clock.now_ns += NS_PER_SECOND // 2
        nse.say(SBIN)
        nse.answer()
    row = nse.answer()["symbols"][0]
    assert row["last"] == ms(nse.clock.now_ns) and row["rate"] == pytest.approx(2.0)

    nse.counts = {}
    nse.say(SBIN)
    assert nse.answer()["symbols"][0]["rate"] is None
    nse.clock.now_ns += NS_PER_SECOND
    nse.say(SBIN, SBIN, SBIN)
    assert nse.answer()["symbols"][0]["rate"] == pytest.approx(3.0)


def test_a_recorder_that_says_nothing_is_named(nse: LiveHost) -> None:
    assert nse.answer()["recorder"]["problem"] == "the recorder does not run"
    nse.say(SBIN)
    nse.clock.now_ns += 10 * NS_PER_SECOND
    assert nse.answer()["recorder"]["problem"] == ""
    nse.clock.now_ns += 2 * NS_PER_SECOND
    assert nse.answer()["recorder"]["problem"] == "the recorder has said nothing for 12 s"
    nse.settings.status_file.write_text("{")
    assert "cannot be read" in nse.answer()["recorder"]["problem"]


def test_a_journal_that_cannot_be_read_is_named_and_read_when_it_can(
    nse: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = sockets(nse)
    recorder.at(5)
    recorder.quotes(0, SBIN, 1)

    def denied(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("harvester.live.tail.open_segment", denied)
        assert nse.answer()["problem"].endswith("cannot be read (Permission denied)")
    answer = nse.answer()
    assert answer["problem"] == "" and answer["shown"]["newest"][1] == 800.01


def test_a_long_journal_is_read_in_turns_and_says_how_far(nse: LiveHost, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = sockets(nse)
    for number in range(600):
        recorder.at(number)
        recorder.quotes(0, SBIN, number)
    monkeypatch.setattr("harvester.live.view.LOOK_SECONDS", 0)
    view = nse.begin()

    assert view.turn() is False
    part = view.answer(SBIN, "", "")
    assert ms(OPEN_NS) < part["reading"] < ms(nse.clock.now_ns)
    whole = nse.answer(SBIN)
    assert whole["reading"] is None and len(whole["shown"]["points"]) == 9


def test_midnight_begins_another_day(nse: LiveHost) -> None:
    sockets(nse).quotes(0, SBIN, 1)
    assert nse.answer()["date"] == "2026-11-23"
    nse.clock.now_ns += 86_400 * NS_PER_SECOND

    answer = nse.answer()

    assert answer["date"] == "2026-11-24" and answer["shown"]["newest"] is None and answer["shown"]["ladders"] == []
    nse.clock.now_ns += 4 * 86_400 * NS_PER_SECOND
    assert nse.answer()["shown"]["opens"] is None, "a Saturday"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with entered("us"):
        yield Place(tmp_path, HALF_DAY)


def us_host(place: Place) -> LiveHost:
    return LiveHost(place.settings.data_dir, place.settings, place.clock)


def test_schwabs_minutes_have_averages_from_the_opening_in_dollars(place: Place) -> None:
    closes = [600 + number / 8 for number in range(12)]
    early = place.candle(-5, 500.0, 9_999)
    whole = [early, *(place.candle(number, close, 10 + number) for number, close in enumerate(closes))]
    place.answer(12.1, "QQQ", whole)
    host = us_host(place)

    answer = host.answer("QQQ")

    shown = answer["shown"]
    points = [*shown["points"], shown["newest"]]
    expected = averages_of([(round(close * 10_000), 10 + number) for number, close in enumerate(closes)])
    assert (answer["market"], answer["zone"], answer["offset_s"], answer["date"]) == (
        "us",
        "EST",
        -18_000,
        "2026-11-27",
    )
    assert [point[0] for point in points] == [ms(place.opens + number * MINUTE_NS) for number in range(12)]
    assert [point[3] for point in points] == [float(round(each.sma9 / 100) / 100) for each in expected]
    assert points[-1][4] == float(round(expected[-1].vwap / 100) / 100)  # type: ignore[operator]
    assert shown["closes"] - shown["opens"] == 210 * 60_000 and shown["ladders"] == []
    assert (shown["source"], shown["patience"]) == ("schwab-history", 90_000)
    json.dumps(answer)


def test_a_streamed_minute_is_on_the_page_before_history_has_it_and_is_replaced_by_it(place: Place) -> None:
    host = us_host(place)
    place.answer(1.1, "QQQ", [place.candle(0, 600.0)])
    place.clock.now_ns = place.opens + 2 * MINUTE_NS + NS_PER_SECOND
    frame = data(
        chart_row(f7=ms(place.opens + MINUTE_NS), f5=600.25), chart_row("NOPE", f7=ms(place.opens + MINUTE_NS))
    )
    place.writer.append(SCHWAB_STREAM, 0, frame, wall_ns=place.clock.now_ns, mono_ns=place.clock.mono_ns())
    streamed = host.answer("QQQ")["shown"]
    place.answer(2.1, "QQQ", [place.candle(0, 600.0), place.candle(1, 600.5)])
    settled = host.answer("QQQ")["shown"]

    assert (streamed["newest"][1], settled["newest"][1]) == (600.25, 600.5)
    assert streamed["newest"][0] == settled["newest"][0] == ms(place.opens + MINUTE_NS)


def test_of_a_frame_only_what_the_host_records_is_a_change_and_each_symbol_once(place: Place) -> None:
    bars = LiveBars(lambda symbol: place.bars, MINUTE_NS)
    source = Source("1-1", Path("1-1.open"), header={"candles": {"0": "QQQ"}})
    first = ms(place.opens)
    frame = data(chart_row(f7=first), chart_row("NOPE", f7=first), chart_row(f7=first, f6=13))
    now = place.opens + 2 * MINUTE_NS

    assert bars.take(source, Record(DATA, SCHWAB_STREAM, 0, 1, now, now, frame)) == [Change("QQQ", now)]
    assert bars.take(source, Record(DATA, SCHWAB_STREAM, 0, 2, now, now, b"<html>")) == []
    assert [minute.volume for minute in bars.bars("QQQ")] == [13] and bars.bars("NOPE") == []


def test_a_frame_with_several_symbols_changes_each_of_them(place: Place) -> None:
    bars = LiveBars(lambda symbol: place.bars, MINUTE_NS)
    source = Source("1-1", Path("1-1.open"), header={"candles": {"0": "QQQ", "1": "SPY"}})
    now = place.opens + 2 * MINUTE_NS
    frame = data(chart_row(f7=ms(place.opens)), chart_row("SPY", f7=ms(place.opens)))

    found = bars.take(source, Record(DATA, SCHWAB_STREAM, 0, 1, now, now, frame))

    assert found == [Change("QQQ", now), Change("SPY", now)]


def test_how_old_data_may_be_is_not_another_with_the_stream_whose_minutes_come_once_a_minute(tmp_path: Path) -> None:
    with entered("us"):
        place = Place(tmp_path, HALF_DAY, feeds=["schwab-history", "schwab-stream"])
        assert us_host(place).answer("QQQ")["shown"]["patience"] == 90_000


def test_moments_on_the_page_are_whole_milliseconds(place: Place) -> None:
    host = us_host(place)
    place.answer(5.1, "QQQ", [place.candle(0, 600.0), place.candle(4, 600.0)])
    place.clock.now_ns += 1
    answer = host.answer("QQQ")

    gaps = answer["shown"]["gaps"]
    assert type(answer["now"]) is int and gaps
    assert {type(moment) for gap in gaps for moment in gap[:2]} == {int}


def test_a_revised_minute_changes_the_averages_behind_it(place: Place) -> None:
    host = us_host(place)
    place.answer(3.1, "QQQ", [place.candle(number, 600.0) for number in range(3)])
    before = host.answer("QQQ")["shown"]
    place.answer(4.1, "QQQ", [place.candle(0, 603.0), *(place.candle(number, 600.0) for number in range(1, 4))])
    after = host.answer("QQQ", have=before["points_id"])["shown"]

    assert before["newest"][3] == 600.0 and after["points"][0][1] == 603.0
    assert after["newest"][3] == 600.75


def test_bars_that_nobody_answered_and_those_that_the_broker_lacks_are_in_the_strip(place: Place) -> None:
    host, opens = us_host(place), ms(place.opens)
    place.answer(4.1, "QQQ", [place.candle(0), place.candle(3)])
    place.clock.now_ns = place.opens + 4 * MINUTE_NS + 89 * NS_PER_SECOND
    assert host.answer("QQQ")["shown"]["gaps"] == [[opens + 60_000, opens + 180_000, "schwab-history", "no_data"]]
    place.clock.now_ns = place.opens + 6 * MINUTE_NS + 90 * NS_PER_SECOND
    assert host.answer("QQQ")["shown"]["gaps"][1:] == [
        [opens + 240_000, opens + 360_000, "schwab-history", "no_answer"]
    ]


def test_an_answer_after_a_bars_end_that_lacks_it_says_that_there_is_none(place: Place) -> None:
    host, opens = us_host(place), ms(place.opens)
    place.answer(4.0, "QQQ", [place.candle(0)])
    place.clock.now_ns = place.opens + 6 * MINUTE_NS + 90 * NS_PER_SECOND
    assert host.answer("QQQ")["shown"]["gaps"] == [
        [opens + 60_000, opens + 240_000, "schwab-history", "no_data"],
        [opens + 240_000, opens + 360_000, "schwab-history", "no_answer"],
    ]
