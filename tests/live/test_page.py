"""The live page as a person sees it, in a headless Chromium: pixels, ages, a phone, a restart of the recorder."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.conftest import ROOT
from tests.journals import OPEN_NS
from tests.live.conftest import INFY, MINUTE_NS, SBIN, LiveHost, forwarded, sockets
from tests.us.test_us_lake import HALF_DAY, Place

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import entered

PHONE, WIDE = 390, 1280
COLOURS = {"price": (31, 111, 235), "sma": (217, 115, 13), "vwap": (130, 80, 223)}
COUNT = """([colour, id]) => [...document.querySelectorAll(id)].reduce((sum, canvas) => {
  if (!canvas.width || !canvas.height) return sum;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] > 200 && colour.every((part, place) => Math.abs(data[at + place] - part) < 12)) sum += 1;
  return sum;
}, 0)"""
"""How many pixels of the canvases have nearly this colour."""


class LivingClock:
    """A day of 2026 that goes on as the machine's clock does, from a moment that is moved."""

    def __init__(self, now_ns: int) -> None:
        self._ahead_ns = now_ns - time.time_ns()

    @property
    def now_ns(self) -> int:
        return time.time_ns() + self._ahead_ns

    @now_ns.setter
    def now_ns(self, moment_ns: int) -> None:
        self._ahead_ns = moment_ns - time.time_ns()

    def wall_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return self.now_ns - OPEN_NS + 3_600 * NS_PER_SECOND


def wave(minute: int) -> int:
    """A price that goes up and down, in paise above 800 rupees."""
    return round(90 * math.sin(minute / 14) + minute / 2) + 200


def recorded_morning(host: LiveHost) -> Any:
    """Two hours of two stocks, with a gap; the clock goes on from there."""
    recorder = sockets(host)
    for minute in range(120):
        recorder.at(60 * minute + 30)
        for symbol in (SBIN, INFY):
            recorder.quotes(0, symbol, wave(minute))
        recorder.books(0, SBIN, minute)
        recorder.book50(0, SBIN, minute)
    recorder.lose(SBIN, 1_800, 2_400, "stale")
    return recorder


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A window of a phone's width; what it says in error is in `page.complaints`."""
    context = browser.new_context(viewport={"width": PHONE, "height": 844}, color_scheme="light")
    window = context.new_page()
    window.complaints = []
    window.on("pageerror", lambda error: window.complaints.append(str(error)))
    window.on("console", lambda said: window.complaints.append(said.text) if said.type == "error" else None)
    yield window
    context.close()


@contextmanager
def looking(host: LiveHost, page: Any) -> Iterator[Any]:
    with host.serving() as path, forwarded(path) as address:
        page.goto(address)
        until(page, lambda: "." in page.inner_text("#price"))
        yield page


def pixels(page: Any, name: str, where: str = "#chart canvas") -> int:
    found: int = page.evaluate(COUNT, [COLOURS[name], where])
    return found


def until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for it; the page's policy lets nothing be evaluated in it again and again, as wait_for_function does."""
    patience = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < patience, f"it never came; the page says {page.inner_text('body')}"
        page.wait_for_timeout(50)


def wait_for_lines(page: Any) -> None:
    until(page, lambda: pixels(page, "vwap") > 100)


def picture(page: Any, request: pytest.FixtureRequest, market: str) -> None:
    """Both widths into docs, where --pictures asks for it."""
    for width in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": 844})
        wait_for_lines(page)
        page.wait_for_timeout(300)  # a frame of the chart at its new size
        file = ROOT / "docs" / f"live-{market}-{width}.png"
        if request.config.getoption("--pictures"):
            page.screenshot(path=str(file), full_page=True)
        else:
            assert file.exists(), "python -m pytest --pictures tests/live/test_page.py writes it"


def test_the_lines_the_book_and_the_gap_are_drawn_on_a_phone(
    nse: LiveHost, page: Any, figure: Any, request: pytest.FixtureRequest
) -> None:
    recorded_morning(nse)
    nse.say(SBIN, INFY)
    with looking(nse, page):
        wait_for_lines(page)

        assert {name: pixels(page, name) > 100 for name in COLOURS} == dict.fromkeys(COLOURS, True)
        drawn = page.evaluate(COUNT, [(207, 34, 46), "#strip"])
        share = drawn / page.evaluate("document.getElementById('strip').width * 26 * devicePixelRatio")
        assert 0.01 < share < 0.05, "ten minutes of six hours are lost, and red"
        assert page.inner_text("#gaps") == "1 gap today; the last: fyers-hsm stale, 09:45:00 to 09:55:00 IST"
        assert page.locator("#ladder tbody tr").count() == 21, "ten levels a side and the spread"
        assert "fyers-tbt, valid, 50 levels" in page.inner_text("#ladder-state")
        assert page.inner_text("#title") == "lab1, NSE, 2026-11-23"
        assert page.inner_text("#dues-state") == "2 due: 1 waiting, 1 missing"
        assert page.inner_text("#dues tbody tr:first-child").startswith("missing")
        width = page.evaluate("document.documentElement.scrollWidth")
        figure("page_width_on_a_phone", width, bound=f"<= {PHONE}", unit="px", gate=True)
        picture(page, request, "nse")
    assert page.complaints == []


def test_a_new_price_is_on_the_page_within_two_seconds_and_its_age_is_told(
    nse: LiveHost, page: Any, figure: Any
) -> None:
    recorder = recorded_morning(nse)
    nse.clock = recorder.clock = LivingClock(nse.clock.now_ns + 30 * NS_PER_SECOND)
    nse.say(SBIN, INFY)
    with looking(nse, page):
        took = []
        for number in range(3):
            began = time.monotonic()
            recorder.quotes(0, SBIN, 900 + number)
            recorder.writer.sync()
            nse.say(SBIN)
            until(page, lambda said=f"{809 + number / 100:.2f}": page.inner_text("#price") == said)  # type: ignore[misc]
            took.append(time.monotonic() - began)
        age = int(page.get_attribute("#age", "data-ms"))
        figure("page_update_seconds", round(max(took), 2), bound="<= 2", unit="s")
        figure("newest_point_age_ms", age, bound="<= 2000", unit="ms")
        assert page.locator("#list tbody tr.shown td").nth(0).inner_text() == SBIN
        page.click(f"#list button:text-is('{INFY}')")
        until(page, lambda: page.inner_text("#symbol") == INFY)
        assert page.evaluate("decodeURIComponent(location.hash)") == f"#{INFY}"


def test_it_goes_on_over_a_restart_of_the_recorder(nse: LiveHost, page: Any) -> None:
    recorder = recorded_morning(nse)
    nse.clock = recorder.clock = LivingClock(nse.clock.now_ns + 30 * NS_PER_SECOND)
    nse.say(SBIN, INFY)
    with looking(nse, page):
        wait_for_lines(page)
        assert page.locator("#trouble").is_hidden()
        recorder.die()
        nse.settings.status_file.unlink()
        until(page, lambda: page.text_content("#trouble") == "The recorder does not run.")
        assert pixels(page, "price") > 100, "what came before is still there"
        nse.counts = {}
        again = sockets(nse)
        again.quotes(0, SBIN, 950)
        again.writer.sync()
        nse.say(SBIN, INFY)
        until(page, lambda: page.inner_text("#price") == "809.50")
        page.wait_for_selector("#trouble", state="hidden")
    assert page.complaints == []


def test_a_host_that_answers_no_more_is_said(nse: LiveHost, page: Any) -> None:
    recorded_morning(nse)
    nse.say(SBIN)
    with looking(nse, page):
        page.context.set_offline(True)
        until(page, lambda: page.text_content("#trouble").startswith("The host has not answered for "))
        page.context.set_offline(False)
        page.wait_for_selector("#trouble", state="hidden")


def test_minutes_of_new_york_are_the_same_page_in_dollars(
    tmp_path: Path, page: Any, request: pytest.FixtureRequest
) -> None:
    with entered("us"):
        place = Place(tmp_path, HALF_DAY)
        candles = [place.candle(minute, 600 + wave(minute) / 100, 1_000 + minute) for minute in range(150)]
        place.answer(150.1, "QQQ", candles)
        place.answer(150.2, "BRK/B", [*candles[:60], *candles[75:]])
        place.clock.now_ns = place.opens + 150 * MINUTE_NS + 20 * NS_PER_SECOND
        settings = replace(place.settings, status_file=tmp_path / "status.json")
        host = LiveHost(tmp_path, settings, place.clock)
        host.say("QQQ", "BRK/B")
        with looking(host, page):
            wait_for_lines(page)
            assert {name: pixels(page, name) > 100 for name in COLOURS} == dict.fromkeys(COLOURS, True)
            assert page.inner_text("#title") == "us1, US, 2026-11-27"
            assert page.inner_text("#price") == f"{600 + wave(149) / 100:.2f}"
            assert page.inner_text("#gaps") == "No gap today. 09:30:00 to 13:00:00 EST."
            assert page.inner_text("#source") == "· bars from schwab-history"
            assert page.locator("#ladder-part").is_hidden(), "a feed of candles has no book"
            picture(page, request, "us")
            page.click("#list button:text-is('BRK/B')")
            until(page, lambda: page.inner_text("#gaps").startswith("1 gap today"))
            assert page.inner_text("#gaps").endswith("schwab-history no_data, 10:30:00 to 10:45:00 EST")
            page.fill("#like", "qq")
            until(page, lambda: page.locator("#list tbody tr").count() == 1)
    assert page.complaints == []
