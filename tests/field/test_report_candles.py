"""The report has the broker's own bars beside ours: what is missing of them, and by how much the two differ."""

from pathlib import Path

import pytest
from tests.journals import OPEN_NS
from tests.storage.lake.candles import WIDTH, CandleRecorder, bar, said
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import CLOSE_NS, SBIN

from harvester.base.clock import NS_PER_SECOND
from harvester.calendar import Phase
from harvester.lake.day.candles import CandlesExpected
from runbook.report.query import open_lake
from runbook.report.report import write_report

BEGIN_S = OPEN_NS // NS_PER_SECOND
PHASES = {"nse_cash": (Phase("continuous", OPEN_NS, OPEN_NS + 2 * WIDTH),)}


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path / "data")


def record(place: StreamedPlace, *candles: list[float]) -> None:
    """Quotes of 800.00 to 800.05 in the first minute, on which 5 shares were traded; candles of two bars are due."""
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.quotes(0, SBIN, *range(1, 6))
    recorder.close()
    recorder.stop()
    asked = CandleRecorder(place.journal, place.clock)
    asked.answer(25, SBIN, said(*candles))
    asked.stop()
    place.close(
        phases=PHASES,
        candles=CandlesExpected((SBIN,), WIDTH, 0),
        windows=((OPEN_NS, CLOSE_NS),),
        now_ns=OPEN_NS + 4 * WIDTH,
        explain="as told",
    )


def page_of(place: StreamedPlace) -> str:
    return write_report(place.lake, place.root / "report.html").read_text("utf-8")


def test_bars_that_differ_are_named_with_the_price_and_by_how_much(place: StreamedPlace) -> None:
    record(place, [BEGIN_S, 800, 800.10, 800, 800.05, 10], bar(1))
    page = page_of(place)

    assert "2 of 2 of the broker&#39;s bars" in page
    assert "0 of 1 bars have our prices" in page and "furthest: high of 09:15:00, +0.05" in page
    assert "we saw 50.0 % of the broker&#39;s volume" in page


def test_bars_that_are_the_same_are_counted_and_a_missing_one_is_a_gap(place: StreamedPlace) -> None:
    record(place, [BEGIN_S, 800, 800.05, 800, 800.05, 5])
    page = page_of(place)

    assert "1 of 2 of the broker&#39;s bars" in page and "1 of 1 bars have our prices" in page
    assert "furthest" not in page and "we saw 100.0 %" in page
    assert "Coverage by fyers-history over the day: 1 gaps" in page


def test_the_views_of_a_query_have_both(place: StreamedPlace) -> None:
    record(place, [BEGIN_S, 800, 800.10, 800, 800.05, 10], bar(1))
    with open_lake(place.lake) as connection:
        rows = connection.execute("select begin_ns, high, revision, source from candles_rupees order by 1").fetchall()
    assert [(begin - OPEN_NS, float(high), revision, source) for begin, high, revision, source in rows] == [
        (0, 800.10, 0, "live"),
        (WIDTH, 801.25, 0, "live"),
    ]
