"""The report's time axis: each symbol over the hours of its own segment; where nothing is due, nothing is drawn."""

import re
from pathlib import Path

import pytest
from tests.storage.lake.conftest import Place, StreamedPlace
from tests.storage.lake.sockets import INFY, NIFTY, SBIN

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.journal.format import FYERS_HSM
from runbook.report.report import write_report

CASH, FUTURE, METAL = SBIN, INFY, NIFTY
"""Symbols that stand for one of each segment."""


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    return StreamedPlace(tmp_path)


def at(place: StreamedPlace, hours: float) -> int:
    return midnight_ns(place.partition.date) + round(hours * 3600) * NS_PER_SECOND


def page_of(place: StreamedPlace, **windows: list[tuple[float, float]]) -> str:
    """The report of a day on which all three symbols are covered from 9:00 on, to 23:30."""
    recorder = place.sockets()
    place.clock.now_ns = at(place, 9)
    recorder.connect(0, [CASH, FUTURE, METAL])
    recorder.snapshots(0, CASH, FUTURE, METAL)
    for hour in range(10, 24):
        place.clock.now_ns = at(place, hour)
        for symbol in (CASH, FUTURE):
            recorder.books(0, symbol, hour)
    recorder.stop()
    spans = {name: tuple((at(place, a), at(place, b)) for a, b in each) for name, each in windows.items()}
    Place.close(
        place,
        now_ns=at(place, 24),
        windows=spans.pop("nse_cash", ()),
        segments={FUTURE: "nse_fo", METAL: "mcx"},
        segment_windows=spans,
        sockets={FYERS_HSM: (CASH, FUTURE, METAL)},
    )
    return write_report(place.lake, place.root / "report.html").read_text("utf-8")


def panel(page: str, symbol: str) -> str:
    (found,) = [part for part in page.split("<article")[1:] if f"<h3>{symbol}" in part]
    return found.split("</article>")[0]


def hours(page: str, symbol: str) -> list[str]:
    return re.findall(r'<span style="left:[0-9.]+%">(\d\d:\d\d):\d\d</span>', panel(page, symbol))


def test_each_symbol_has_the_axis_of_its_segment(place: StreamedPlace) -> None:
    """One axis from the first opening to the last close of any segment left a stock three quarters of it "recorded"."""
    page = page_of(place, nse_cash=[(9.25, 15.5)], nse_fo=[(9.25, 15 + 2 / 3)], mcx=[(9, 23.5)])
    assert (hours(page, CASH)[0], hours(page, CASH)[-1]) == ("09:15", "15:30")
    assert (hours(page, FUTURE)[0], hours(page, FUTURE)[-1]) == ("09:15", "15:40")
    assert (hours(page, METAL)[0], hours(page, METAL)[-1]) == ("09:00", "23:30")
    assert "c-closed" not in page.split("<body>")[1]
    for told in ("NSE cash 09:15:00 to 15:30:00", "NSE F&amp;O 09:15:00 to 15:40:00", "MCX 09:00:00 to 23:30:00"):
        assert told in page


def test_closed_time_between_windows_is_blank(place: StreamedPlace) -> None:
    page = page_of(place, nse_cash=[(9.25, 11.25), (13.25, 15.25)], nse_fo=[(9.25, 15.25)])
    spans = re.findall(r'<i class="c-closed" style="left:([0-9.]+)%;width:([0-9.]+)%"', panel(page, CASH))
    assert [(round(float(left)), round(float(width))) for left, width in spans] == [(33, 33)]
    assert "c-closed" not in panel(page, FUTURE)
    assert re.search(r"i\.c-closed[^{]*\{background:var\(--paper\)", page), "as blank as the page"


def test_a_symbol_of_which_nothing_is_due_is_not_green(place: StreamedPlace) -> None:
    page = page_of(place, nse_cash=[(9.25, 15.25)])
    assert re.search(r'<i class="c-closed" style="left:0[.0]*%;width:100[.0]*%"', panel(page, METAL))
    assert "nothing expected" in panel(page, METAL)
