"""Figures of the certificate stand for what happened: the skew of an exchange's clock is that of live updates."""

from pathlib import Path

import pytest
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import NIFTY, OPEN_NS, SBIN, SocketRecorder, ids_of, quote

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_TBT
from harvester.lake.certificate.shares import in_percent, share_of

NOW = OPEN_NS // NS_PER_SECOND
YESTERDAY = NOW - 63_900  # 15:30 of the day before


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path)


def session(place: StreamedPlace, *feeds: int) -> SocketRecorder:
    recorder = place.sockets()
    recorder.open(feeds=feeds or (2,))
    return recorder


def end(place: StreamedPlace, recorder: SocketRecorder) -> None:
    recorder.close()
    recorder.stop()
    place.close()


def send_snapshot(recorder: SocketRecorder, time: int, stream: int = 0) -> None:
    topic = hsm.Topic("sf|nse_cm|3045")
    recorder.entries(stream, hsm.snapshot(ids_of(SBIN)["sf"], topic, quote(0, exch_feed_time=time)))


def send_quote(recorder: SocketRecorder, number: int, time: int | None, stream: int = 0) -> None:
    """An update; without a time the one before stays."""
    recorder.entries(stream, hsm.update(ids_of(SBIN)["sf"], quote(number, exch_feed_time=time)))


def test_a_snapshot_with_the_time_of_yesterday_is_no_skew(place: StreamedPlace) -> None:
    recorder = session(place)
    recorder.connect(0, [SBIN])
    send_snapshot(recorder, YESTERDAY)
    for second in (10.25, 20.5, 30.75):
        recorder.at(second)
        send_quote(recorder, int(second), NOW + int(second))
    end(place, recorder)
    assert place.facts(SBIN)["skew_ms"] == {"min": 250.0, "p50": 500.0, "p99": 750.0, "max": 750.0}


def test_an_update_that_brings_no_time_of_its_own_is_no_skew(place: StreamedPlace) -> None:
    """Open interest changes, or an order far from the touch: the time on the wire stays that of the last trade."""
    recorder = session(place)
    recorder.connect(0, [SBIN])
    send_snapshot(recorder, YESTERDAY)
    recorder.at(5)
    send_quote(recorder, 1, None)
    recorder.at(10.5)
    send_quote(recorder, 2, NOW + 10)
    recorder.at(90)
    send_quote(recorder, 3, None)
    end(place, recorder)
    assert place.facts(SBIN)["skew_ms"] == {"min": 500.0, "p50": 500.0, "p99": 500.0, "max": 500.0}


def test_the_snapshot_of_a_second_connection_is_no_skew_though_its_time_is_new(place: StreamedPlace) -> None:
    recorder = session(place)
    recorder.connect(0, [SBIN])
    send_snapshot(recorder, YESTERDAY)
    recorder.at(10.5)
    send_quote(recorder, 1, NOW + 10)
    recorder.at(80)
    recorder.connect(0, [SBIN])
    send_snapshot(recorder, NOW + 40)
    recorder.at(90.25)
    send_quote(recorder, 3, NOW + 90)
    end(place, recorder)
    assert place.facts(SBIN)["skew_ms"] == {"min": 250.0, "p50": 250.0, "p99": 500.0, "max": 500.0}


def test_two_connections_side_by_side_have_a_newest_time_each(place: StreamedPlace) -> None:
    recorder = session(place)
    for stream in (0, 1):
        recorder.connect(stream, [SBIN])
        send_snapshot(recorder, YESTERDAY + stream, stream)
    for second in (10.25, 20.5, 30.75):
        recorder.at(second)
        send_quote(recorder, int(second), NOW + int(second), stream=0)
        recorder.at(second + 0.125)
        send_quote(recorder, int(second), NOW + int(second), stream=1)  # the second copy is no row
    recorder.at(40)
    send_quote(recorder, 40, NOW + 31, stream=1)
    end(place, recorder)
    assert place.facts(SBIN)["skew_ms"] == {"min": 250.0, "p50": 500.0, "p99": 9000.0, "max": 9000.0}


def test_snapshots_alone_give_no_skew(place: StreamedPlace) -> None:
    recorder = session(place)
    recorder.connect(0, [SBIN, NIFTY])
    recorder.snapshots(0, SBIN, NIFTY)
    end(place, recorder)
    assert place.facts(SBIN)["skew_ms"] is None
    assert place.facts(NIFTY)["skew_ms"] is None


def test_a_snapshot_of_fifty_levels_is_no_skew_either(place: StreamedPlace) -> None:
    recorder = session(place, FYERS_TBT)
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.at(0.5)
    recorder.book50(0, SBIN, 0, snapshot=True)
    recorder.at(1.25)
    recorder.book50(0, SBIN, 1)
    end(place, recorder)
    assert place.facts(SBIN, "fyers-tbt")["skew_ms"]["max"] == 250.0


def test_a_gap_of_a_moment_is_less_than_all(place: StreamedPlace) -> None:
    recorder = session(place)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.lose(SBIN, 50, 50 + 4e-5)
    end(place, recorder)
    facts = place.facts(SBIN)
    assert facts["covered_ns"] < facts["window_ns"]
    assert facts["coverage"] == 0.999999, "rounded it was 1.0"
    assert in_percent(facts["coverage"]) == "99.99"


@pytest.mark.parametrize(
    ("part", "whole", "share", "percent"),
    [
        (10**15, 10**15, 1.0, "100.00"),
        (10**15 - 1, 10**15, 0.999999, "99.99"),
        (99_999, 100_000, 0.99999, "99.99"),
        (9_999, 10_000, 0.9999, "99.99"),
        (57, 100, 0.57, "57.00"),
        (29, 100, 0.29, "29.00"),
        (2, 3, 0.666667, "66.67"),
        (0, 7, 0.0, "0.00"),
    ],
)
def test_all_is_said_of_all_alone(part: int, whole: int, share: float, percent: str) -> None:
    assert share_of(part, whole) == share
    assert in_percent(share) == percent


def test_of_nothing_there_is_no_share() -> None:
    assert share_of(0, 0) is None
