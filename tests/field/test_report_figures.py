"""What a person reads in the report is plausible or explained: quiet symbols, two windows, crossed books, old skews."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.journals import answer
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.relisting import relist
from tests.storage.lake.sockets import NIFTY, SBIN, moment

from harvester.base.clock import NS_PER_SECOND
from runbook.report.report import write_report


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path / "data")


def page_of(place: StreamedPlace) -> str:
    return write_report(place.lake, place.root / "report.html").read_text("utf-8")


def record_index(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [NIFTY])
    recorder.snapshots(0, NIFTY)
    recorder.close()
    recorder.stop()
    place.close()


def restate(place: StreamedPlace, symbol: str, **figures: Any) -> None:
    """A certificate as another release, or another day, would have it."""
    path = place.current("certificate")
    value = json.loads(path.read_bytes())
    value["streams"]["fyers-hsm"]["symbols"][symbol].update(figures)
    path.write_text(json.dumps(value))
    relist(place, path)


def test_a_quiet_symbol_has_the_rate_of_the_whole_session(place: StreamedPlace) -> None:
    """One row in 100 s: the median of the minutes in which something came was told, 0.96 a second."""
    record_index(place)
    assert "Rows a second, of all feeds: median 0, top of the scale 0.96" in page_of(place)


def test_the_skew_of_a_day_closed_with_snapshots_in_it_is_explained(place: StreamedPlace) -> None:
    record_index(place)
    restate(place, NIFTY, skew_ms={"min": 3.0, "p50": 460.2, "p99": 24_404_617.0, "max": 24_404_617.0})
    page = page_of(place)
    assert "24,404,617" not in page
    assert "p50 460 ms; the longest are of updates with an old time, such as snapshots" in page


def test_a_clock_that_is_off_is_told(place: StreamedPlace) -> None:
    record_index(place)
    restate(place, NIFTY, skew_ms={"min": -900.0, "p50": -310.0, "p99": 80.0, "max": 90.0})
    assert "p50 -310 ms, before it was sent: this host" in page_of(place)
    restate(place, NIFTY, skew_ms={"min": 1.0, "p50": 310.0, "p99": 980.0, "max": 990.0})
    assert "after the exchange&#39;s time, which has whole seconds: p50 310 ms, p99 980 ms" in page_of(place)


def test_a_day_with_a_gap_of_a_moment_is_not_said_to_be_whole(place: StreamedPlace) -> None:
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.lose(SBIN, 50, 50 + 4e-5)
    recorder.close()
    recorder.stop()
    place.close()
    page = page_of(place)
    assert "100.00 %" not in page and page.count("99.99 %") == 3
    assert "disconnect 1 ms" in page and "0.0 s" not in page


def record_two_windows(place: StreamedPlace, crossed: bool = False) -> None:
    """A pre-open of 20 s, a break, and 20 s of trading, with a poll each 10 s."""
    recorder = place.sockets(polled=(SBIN,))
    windows = ((moment(0), moment(20)), (moment(50), moment(70)))
    for number, (opens, closes) in enumerate(windows):
        recorder.clock.now_ns = opens
        recorder.control("window_open", open_ns=opens, close_ns=closes, interval_ns=10 * NS_PER_SECOND, feeds=[1])
        for slot in range(2):
            bids = [{"price": 0 if slot else 850, "volume": 900, "ord": 3}] if crossed and not number else None
            body = answer(SBIN, **({"bids": bids} if bids else {}))
            recorder.poll(0, SBIN, sched_ns=opens + slot * 10 * NS_PER_SECOND, body=body)
        recorder.clock.now_ns = closes
        recorder.control("window_close", open_ns=opens, close_ns=closes)
    recorder.stop()
    place.close(symbols=(SBIN,), windows=windows, interval_ns=10 * NS_PER_SECOND)


def test_the_time_between_two_windows_is_not_drawn_as_recorded(place: StreamedPlace) -> None:
    record_two_windows(place)
    page = page_of(place)
    (span,) = re.findall(r'<i class="c-closed" style="left:([\d.]+)%;width:([\d.]+)%" title="([^"]*)"', page)
    assert [round(float(number)) for number in span[:2]] == [29, 43]
    assert span[2] == "closed: 09:15:20 to 09:15:50"
    assert "closed, nothing due" in page and ": 0 gaps" in page
    assert "Rows a second, of all feeds: median 0.1, top of the scale 0.1" in page


def test_a_day_of_one_window_has_no_closed_time(place: StreamedPlace) -> None:
    record_index(place)
    assert 'class="c-closed"' not in page_of(place)


def test_crossed_books_and_orders_at_the_market_have_no_spread(place: StreamedPlace) -> None:
    """Before an opening the best bid may be 850.00 against an ask of 800.20, or 0 for an order at the market."""
    record_two_windows(place, crossed=True)
    assert "median 10 paise, top of the scale 10." in page_of(place)


def test_a_symbol_at_its_circuit_has_no_spread_and_that_is_said(place: StreamedPlace) -> None:
    recorder = place.sockets(polled=(SBIN,))
    recorder.control("window_open", open_ns=moment(0), close_ns=moment(20), interval_ns=10 * NS_PER_SECOND, feeds=[1])
    for slot in range(2):
        recorder.poll(0, SBIN, sched_ns=moment(10 * slot), body=answer(SBIN, ask=[]))
    recorder.clock.now_ns = moment(20)
    recorder.control("window_close", open_ns=moment(0), close_ns=moment(20))
    recorder.stop()
    place.close(symbols=(SBIN,), windows=((moment(0), moment(20)),), interval_ns=10 * NS_PER_SECOND)
    page = page_of(place)
    assert "No spread: never a bid below an ask." in page
    assert "median 0 paise" not in page


def test_a_gap_of_a_cause_that_this_release_does_not_know_is_not_drawn_as_recorded(place: StreamedPlace) -> None:
    record_index(place)
    style = page_of(place)
    assert re.search(r"\.strip i\{[^}]*background:var\(--unknown\)", style)
    assert "var(--disconnect,var(--unknown))" in style
