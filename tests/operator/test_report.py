"""The report: self-contained, complete, and honest about what is missing."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from made_lake import SYMBOLS, LakeMaker

from harvester.base.errors import ConfigError
from runbook.report.drawing import heat_paths, line_paths, spans
from runbook.report.panels import say_duration
from runbook.report.report import write_report

MakeLake = Callable[..., LakeMaker]
VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect"}


class Balance(HTMLParser):
    """Notes tags that do not close and anything that would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "srcset", "action"}]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture
def page(make_lake: MakeLake, tmp_path: Path) -> str:
    return write_report(make_lake(days=2).root, tmp_path / "report.html").read_text("utf-8")


def test_it_is_well_formed_and_loads_nothing(page: str) -> None:
    balance = Balance()
    balance.feed(page)

    assert balance.open == []
    assert balance.loads == []
    assert "<script" not in page
    assert not re.search(r"url\((?!#)|@import|https?://", page)


def test_it_shows_each_day_and_symbol_with_its_gaps(page: str) -> None:
    assert page.index("Friday, 20 November 2026") < page.index("Thursday, 19 November 2026")
    assert all(page.count(f"<h3>{symbol}</h3>") == 2 for symbol in SYMBOLS)
    assert "90.00 %" in page
    assert "no_token: 09:16:40 to 09:17:10, 6 polls missed" in page
    assert 'style="left:33.333%;width:10.0%"' in page


def test_it_draws_both_sides_of_the_book_and_the_spread(page: str) -> None:
    assert page.count('class="heat"') == 4
    assert 'class="askside s8"' in page
    assert 'class="bidside s6"' in page
    assert "median 10 paise" in page


def test_it_reads_on_a_phone_and_in_the_dark(page: str) -> None:
    assert "width=device-width" in page
    assert "prefers-color-scheme:dark" in page


def test_problems_of_the_pull_come_first_and_are_text(make_lake: MakeLake, tmp_path: Path) -> None:
    path = write_report(make_lake(days=1).root, tmp_path / "r.html", problems=["h1: <script>alert(1)</script> gone"])

    page = path.read_text("utf-8")

    assert page.index("&lt;script&gt;") < page.index("<section>")


def test_symbols_narrow_it_and_an_unknown_one_is_refused_without_a_guess(make_lake: MakeLake, tmp_path: Path) -> None:
    lake = make_lake(days=1).root

    page = write_report(lake, tmp_path / "r.html", symbols=["SBIN"]).read_text("utf-8")

    assert "NSE:INFY-EQ" not in page
    with pytest.raises(ConfigError, match="'NSE:SBI-EQ' is no symbol") as caught:
        write_report(lake, tmp_path / "r.html", symbols=["NSE:SBI-EQ"])
    assert "SBIN" not in str(caught.value)


def test_a_day_on_which_nothing_was_recorded_is_drawn_as_such(make_lake: MakeLake, tmp_path: Path) -> None:
    lake = make_lake(days=1).root
    for path in lake.glob("depth_v3/*/*/*"):
        file = pq.ParquetFile(path)
        pq.write_table(file.schema_arrow.empty_table(), path)

    page = write_report(lake, tmp_path / "r.html").read_text("utf-8")

    assert 'class="heat"' not in page
    assert page.count("<h3>NSE:") == 2


def test_spans_are_clipped_and_stay_visible() -> None:
    drawn = spans([(-50, 10, "a", ""), (500, 501, "b", ""), (990, 2000, "c", ""), (2000, 3000, "d", "")], 0, 1000)

    assert [(span.start, span.width, span.kind) for span in drawn] == [(0, 1, "a"), (50, 0.25, "b"), (99, 1, "c")]


def test_heat_leaves_out_zeros_and_scales_to_the_deepest() -> None:
    paths = heat_paths([(0, 0, 0.0), (1, 0, 100.0), (2, 0, 1.0)], 100.0)

    assert paths == [(1, "M2 0h1v1h-1z"), (8, "M1 0h1v1h-1z")]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 ms"), (0.0001, "1 ms"), (0.04, "40 ms"), (35, "35.0 s"), (725, "12 min 5 s"), (46272.4, "12 h 51 min")],
)
def test_durations_are_said_as_a_person_does(seconds: float, said: str) -> None:
    assert say_duration(int(seconds * 1e9)) == said


def test_a_line_breaks_where_there_is_no_value() -> None:
    path, top = line_paths([10.0, None, 5.0], 20.0)

    assert (path, top) == ("M0 2.00h1M2 11.00h1", 10.0)


@pytest.fixture
def streamed_page(tmp_path: Path) -> str:
    """The report over a day of both sockets with a gap and a break of the sequence."""
    from tests.storage.lake.conftest import StreamedPlace
    from tests.storage.lake.sockets import NIFTY, SBIN

    place = StreamedPlace(tmp_path / "data")
    recorder = place.sockets()
    recorder.open(feeds=[2, 3])
    recorder.connect(0, [SBIN, NIFTY])
    recorder.connect(0, [SBIN], feed=3)
    recorder.snapshots(0, SBIN, NIFTY)
    recorder.book50(0, SBIN, 0, snapshot=True)
    for second in range(1, 100):
        recorder.at(second)
        if not 40 <= second < 50:
            recorder.books(0, SBIN, second)
        recorder.book50(0, SBIN, second, sequence=second + 1 + 5 * (second >= 70))
    recorder.lose(SBIN, 39, 50, "mute")
    recorder.close()
    recorder.stop()
    place.close()
    return write_report(place.lake, tmp_path / "report.html").read_text("utf-8")


def test_sockets_have_a_strip_each_with_proof_and_skew(streamed_page: str) -> None:
    balance = Balance()
    balance.feed(streamed_page)

    assert balance.open == [] and balance.loads == []
    assert streamed_page.count('class="strip"') == 3
    assert "stale: 09:15:39 to 09:15:50, 11.0 s" in streamed_page
    assert "stale 11.0 s" in streamed_page and "sequence break 31.0 s" in streamed_page
    assert "sequence numbers 1 to 105: 5 missing" in streamed_page
    assert '<b class="bad">5</b>sequence numbers missing' in streamed_page
    assert "p50 0 ms" in streamed_page and "polls answered" not in streamed_page


def test_books_of_sockets_are_drawn_with_their_rate(streamed_page: str) -> None:
    assert streamed_page.count('class="heat"') == 1
    assert "Rows a second, of all feeds: median 0.96, top of the scale" in streamed_page
    assert "median 10 paise" in streamed_page
