"""Recordings past midnight: a frame means what the segments of the day before say; what is not decoded is told."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, SYMBOLS
from tests.storage.lake.conftest import Place, StreamedPlace
from tests.storage.lake.sockets import INFY, SBIN, SocketRecorder, book, ids_of

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import midnight_ns
from harvester.journal.format import FYERS_HSM, FYERS_TBT, day_directory
from harvester.lake.day.earlier import find_earlier
from harvester.lake.day.segments import find_sources, read_index
from harvester.lake.layout import Partition
from harvester.reader.verify import verify_lake

NEXT = DAY + timedelta(days=1)
MIDNIGHT_NS = midnight_ns(NEXT)
WINDOW = (MIDNIGHT_NS, MIDNIGHT_NS + 100 * NS_PER_SECOND)


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path, partition=Partition(NEXT, "lab1"))


def record(place: StreamedPlace, feed: int = FYERS_HSM) -> SocketRecorder:
    """Ten minutes before midnight SBIN and INFY are connected; 50 updates of each day, the book of number 1 to 50."""
    place.clock.now_ns = MIDNIGHT_NS - 600 * NS_PER_SECOND
    recorder = place.sockets()
    recorder.connect(0, [SBIN, INFY], feed=feed)
    for number in range(101):
        at_ns = MIDNIGHT_NS + (number - 50) * NS_PER_SECOND
        place.clock.now_ns = max(place.clock.now_ns, at_ns) if number else place.clock.now_ns
        if feed == FYERS_TBT:
            recorder.book50(0, SBIN, number, snapshot=number == 0)
        elif number == 0:
            recorder.snapshots(0, SBIN, INFY, number=7)
        else:
            changed = [value if place_ == 0 else None for place_, value in enumerate(book(number))]
            recorder.entries(0, hsm.update(ids_of(SBIN)["dp"], changed))
    place.clock.now_ns = WINDOW[1]
    recorder.stop()
    return recorder


def close(place: StreamedPlace, **options: Any) -> Any:
    return Place.close(place, now_ns=WINDOW[1], windows=(WINDOW,), **options)


def test_a_connection_of_the_day_before_goes_on_with_what_it_knew(place: StreamedPlace) -> None:
    """It closed with 0 rows. Values that the update did not name are those of the snapshot before midnight."""
    record(place)
    close(place)
    rows = place.table("depth")
    assert [row["bid_px_paise"][0] for row in rows] == [book(number)[0] for number in range(50, 101)]
    assert {tuple(row["bid_px_paise"][1:]) for row in rows} == {tuple(book(7)[1:5])}
    assert {row["ts_recv"] >= MIDNIGHT_NS for row in rows} == {True}
    facts = place.certificate()["streams"]["fyers-hsm"]
    assert (facts["frames"], facts["leftovers"]) == (51, {})
    assert {symbol: entry["coverage"] for symbol, entry in facts["symbols"].items()} == {SBIN: 1.0, INFY: 1.0}
    assert place.certificate()["damage"] == [] and place.certificate()["journal"]["malformed_control_records"] == 0


@pytest.mark.parametrize(("days", "is_known"), [(2, True), (31, True), (32, False)])
def test_a_connection_is_looked_for_a_month_back(place: StreamedPlace, days: int, is_known: bool) -> None:
    """A recorder that nobody restarted for a month, on a socket that never broke."""
    place.clock.now_ns = MIDNIGHT_NS - days * 86_400 * NS_PER_SECOND + 43_200 * NS_PER_SECOND
    recorder = place.sockets()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN, number=7)
    place.clock.now_ns = MIDNIGHT_NS + NS_PER_SECOND
    recorder.books(0, SBIN, 8)
    place.clock.now_ns = WINDOW[1]
    recorder.stop()
    if not is_known:
        with pytest.raises(HarvesterError, match="not decoded"):
            close(place)
        return
    close(place)
    assert [row["bid_px_paise"][0] for row in place.table("depth")] == [book(8)[0]]
    assert place.certificate()["damage"] == []


def test_the_days_before_are_read_back_to_the_connect_record_and_no_further(place: StreamedPlace) -> None:
    place.clock.now_ns = MIDNIGHT_NS - 2 * 86_400 * NS_PER_SECOND
    recorder = place.sockets()
    recorder.connect(0, [SBIN])
    place.clock.now_ns = MIDNIGHT_NS - 60 * NS_PER_SECOND
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    place.clock.now_ns = MIDNIGHT_NS
    recorder.books(0, SBIN, 8)
    recorder.stop()
    index = read_index(find_sources(day_directory(place.journal, NEXT), place.lake))

    [read] = find_earlier(place.journal, place.lake, place.partition, index).sources.values()

    assert [source.path.parent.name for source in read] == [DAY.isoformat()]


def test_what_is_left_of_a_run_serves_where_its_first_day_is_gone(place: StreamedPlace) -> None:
    """The connect record went with that day's segments; topics are named by another connection."""
    first = Partition(DAY - timedelta(days=1), "lab1")
    begin_ns = place.clock.now_ns = MIDNIGHT_NS - 2 * 86_400 * NS_PER_SECOND
    recorder = place.sockets()
    recorder.connect(0, [SBIN])
    place.clock.now_ns = MIDNIGHT_NS - 60 * NS_PER_SECOND
    recorder.snapshots(0, SBIN, number=7)
    place.clock.now_ns = MIDNIGHT_NS
    recorder.connect(1, [SBIN])
    recorder.books(0, SBIN, 8)
    place.clock.now_ns = WINDOW[1]
    recorder.stop()
    window = (begin_ns, begin_ns + NS_PER_SECOND)
    Place.close(replace(place, partition=first), now_ns=WINDOW[1], windows=(window,))
    for folder in (place.journal / first.date.isoformat(), place.lake / first.path("raw")):
        shutil.rmtree(folder)
    close(place)
    assert [row["bid_px_paise"][0] for row in place.table("depth")] == [book(8)[0]]


def test_the_archive_of_the_day_before_serves_as_well(place: StreamedPlace) -> None:
    record(place)
    before = replace(place, partition=Partition(DAY, "lab1"))
    Place.close(before, now_ns=WINDOW[1], windows=())
    for path in (place.journal / DAY.isoformat()).iterdir():
        path.unlink()
    close(place)
    assert len(place.table("depth")) == 51 and place.certificate()["damage"] == []


def test_fifty_levels_go_on_as_well(place: StreamedPlace) -> None:
    record(place, FYERS_TBT)
    close(place)
    rows = place.table("depth50")
    assert len(rows) == 51 and {not row["valid"] for row in rows} == {False}
    assert rows[0]["bid_px_paise"] == [80_000 - 5 * slot for slot in range(50)]


def test_a_gap_that_began_before_midnight_is_closed_after_it(place: StreamedPlace) -> None:
    place.clock.now_ns = MIDNIGHT_NS - 60 * NS_PER_SECOND
    recorder = place.sockets()
    recorder.connect(0, [SBIN])
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="mute", detail="nothing")
    recorder.control(
        "gap_open",
        gap_id="g",
        feed=FYERS_HSM,
        symbols=[SBIN],
        from_ns=place.clock.now_ns,
        cause="mute",
        detail="nothing",
    )
    recorder.connect(0, [SBIN])
    recorder.books(0, SBIN, 1)
    place.clock.now_ns = MIDNIGHT_NS + 40 * NS_PER_SECOND
    recorder.snapshots(0, SBIN)
    recorder.control("gap_close", gap_id="g", to_ns=place.clock.now_ns)
    place.clock.now_ns = WINDOW[1]
    recorder.stop()
    close(place)
    (gap,) = [gap for gap in place.gaps(SBIN) if gap.feed == "fyers-hsm"]
    assert (gap.from_ns, gap.to_ns, gap.cause) == (MIDNIGHT_NS, MIDNIGHT_NS + 40 * NS_PER_SECOND, "stale")
    assert place.certificate()["damage"] == []


def lose_the_day_before(place: StreamedPlace) -> None:
    for path in (place.journal / DAY.isoformat()).iterdir():
        path.unlink()


def test_what_is_recorded_and_not_decoded_fails_the_close_until_it_is_explained(place: StreamedPlace) -> None:
    record(place)
    lose_the_day_before(place)
    with pytest.raises(HarvesterError) as caught:
        close(place)
    said = str(caught.value)
    assert "51 parts of messages of fyers-hsm are recorded and not decoded (no snapshot 51)" in said
    assert "00:00:00 to 00:00:50" in said and "--explain" in said and "the day before" in said
    assert not (place.lake / place.partition.manifest).exists()
    assert not list(place.lake.glob("depth_v3/date=*/host=*/*.parquet"))

    assert close(place, explain="the disk of the old host is gone").outcome == "closed"
    (entry,) = [each for each in place.certificate()["damage"] if each["kind"] == "undecoded"]
    assert (entry["records"], entry["explanation"]) == (51, "the disk of the old host is gone")
    assert "Explained: the disk of the old host is gone." in " ".join(verify_lake(place.lake).days[0].damage)


def test_books_without_their_snapshot_are_suspect_and_no_reason_to_refuse_the_day(place: StreamedPlace) -> None:
    """It was refused as a defect of ours: rows of a symbol without an entry in the certificate."""
    record(place, FYERS_TBT)
    lose_the_day_before(place)
    close(place)
    assert {not row["valid"] for row in place.table("depth50")} == {True}
    assert place.facts(SBIN, "fyers-tbt")["coverage"] == 0.0


def test_an_explanation_holds_for_what_it_was_given_for(place: StreamedPlace) -> None:
    recorder = record(place)
    lose_the_day_before(place)
    close(place, explain="gone")
    assert close(place, rebuild=True).outcome == "closed", "it need not be said again"
    later = place.sockets()
    later.run = recorder.run
    later.connect(0, [SBIN])
    later.frame(FYERS_HSM, 0, b"\x00\x01")
    later.stop()
    with pytest.raises(HarvesterError, match="52 parts of messages"):
        close(place)


def test_a_day_before_that_comes_back_makes_the_explanation_needless(place: StreamedPlace, tmp_path: Path) -> None:
    record(place)
    (place.journal / DAY.isoformat()).rename(tmp_path / "elsewhere")
    close(place, explain="gone")
    (tmp_path / "elsewhere").rename(place.journal / DAY.isoformat())
    close(place, rebuild=True)
    assert len(place.table("depth")) == 51 and place.certificate()["damage"] == []


def test_updates_before_the_first_snapshot_of_a_connection_need_no_explanation(place: StreamedPlace) -> None:
    place.clock.now_ns = MIDNIGHT_NS
    recorder = place.sockets()
    recorder.connect(0, [SBIN])
    recorder.books(0, SBIN, 1)
    place.clock.now_ns += NS_PER_SECOND
    recorder.snapshots(0, SBIN)
    recorder.books(0, SBIN, 2)
    place.clock.now_ns = WINDOW[1]
    recorder.stop()
    close(place)
    assert place.certificate()["damage"] == []
    assert place.certificate()["streams"]["fyers-hsm"]["leftovers"] == {"no snapshot": 1}


def test_polls_whose_symbol_nobody_can_tell_fail_the_close(tmp_path: Path) -> None:
    """The head of their segment names the symbols of the streams."""
    place = Place(tmp_path)
    recorder = place.start()
    recorder.open_window(3)
    recorder.symbols = (*SYMBOLS, "NSE:TCS-EQ")
    recorder.poll_all(0, 1, 2)
    recorder.close_window(3)
    recorder.stop()
    with pytest.raises(HarvesterError, match="3 parts of messages of fyers-rest"):
        place.close()


def test_records_of_a_feed_that_this_release_does_not_know_fail_the_close(tmp_path: Path) -> None:
    place = StreamedPlace(tmp_path)
    recorder = place.sockets()
    recorder.open()
    recorder.frame(200, 0, b"?")
    recorder.close()
    recorder.stop()
    told = r"1 parts of messages of another feed are recorded and not decoded \(this release does not know the feed\)"
    with pytest.raises(HarvesterError, match=told):
        place.close()
