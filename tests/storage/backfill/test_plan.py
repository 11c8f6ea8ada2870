"""What an order is, and which requests it takes: the broker's windows, the days that are missing, and no others."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import make_calendar
from tests.storage.backfill.conftest import EVENING, FRIDAY, INFY, MONDAY, SBIN, Host, said, week

from harvester.backfill import pending
from harvester.backfill.order import load_order, make_order, save_order
from harvester.backfill.pending import read_answers, spoken_for
from harvester.backfill.plan import calendars_of, window_days, windows
from harvester.base.errors import ConfigError, HarvesterError
from harvester.calendar import TradingCalendar
from harvester.calendar.periods import dates_due, first_day, next_first_day, over_ns
from harvester.config.resolutions import parse_resolution
from harvester.journal.format import FYERS_BACKFILL, BackfillAnswer, encode_backfill, encode_control
from harvester.journal.reader import read_segment

DAY = timedelta(days=1)
FEW_HOURS = 6
"""Days of three hours whose bars of five seconds fit into a record."""


@pytest.mark.parametrize(
    ("given", "name", "wire", "seconds"),
    [
        ("5", "5", "5", 300), ("05", "5", "5", 300), ("240", "240", "240", 14_400), ("30s", "30S", "30S", 30),
        ("D", "D", "D", 86_400), ("1D", "D", "D", 86_400), ("W", "W", "1W", 604_800), ("1w", "W", "1W", 604_800),
        ("m", "M", "1M", 2_678_400),
    ],
)  # fmt: skip
def test_a_resolution_goes_by_the_broker_s_names(given: str, name: str, wire: str, seconds: int) -> None:
    bars = parse_resolution(given)

    assert (bars.name, bars.wire, bars.width_ns) == (name, wire, seconds * 10**9)


@pytest.mark.parametrize("given", ["", "4", "5m", "90S", "Y", "-5", "\u0665"])
def test_another_resolution_is_refused_by_a_sentence_that_lists_them(given: str) -> None:
    with pytest.raises(ConfigError, match=r"is no resolution that the broker has\. Minutes: 1, 2, 3, .* D, W, M\."):
        parse_resolution(given)


@pytest.mark.parametrize(
    ("since", "until", "resolution", "symbols", "says"),
    [
        (FRIDAY, MONDAY, "5", [SBIN], r"--since 2026-11-20 is after --until 2026-11-16"),
        (MONDAY, date(2026, 11, 24), "5", [SBIN], r"not over in India, where it is 2026-11-24.* is 2026-11-23"),
        (date(2016, 1, 1), date(2017, 7, 2), "5", [SBIN], r"nothing of before 2017-07-03"),
        (date(2026, 9, 1), date(2026, 9, 30), "5S", [SBIN], r"bars of seconds of the last 30 trading days alone"),
        (MONDAY, FRIDAY, "5", ["SBIN"], r"The order is refused: symbols\[0\].* NSE:SBIN-EQ"),
        (MONDAY, FRIDAY, "5", [], r"The order is refused: symbols"),
    ],
)
def test_an_impossible_order_is_refused_by_a_sentence(
    since: date, until: date, resolution: str, symbols: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        make_order(since, until, resolution, tuple(symbols), EVENING)


def test_an_order_is_read_as_it_was_written_and_another_replaces_it(host: Host) -> None:
    assert load_order(host.settings.data_dir) is None
    order = host.order()
    save_order(host.settings.data_dir, host.order(resolution="D"))
    save_order(host.settings.data_dir, order)

    assert load_order(host.settings.data_dir) == order
    [file] = [path for path in host.settings.data_dir.rglob("order.json")]
    assert oct(file.stat().st_mode & 0o777) == "0o640"
    assert make_order(MONDAY, None, "5", (SBIN,), EVENING).until == date(2026, 11, 23), "yesterday in India"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"since": "2026-11-16"}'])
def test_an_order_that_is_none_is_told_with_what_to_do(host: Host, content: str) -> None:
    (host.settings.data_dir / "backfill" / "order.json").write_text(content)

    with pytest.raises(HarvesterError, match=r"order\.json: the order cannot be read .* Give the order again"):
        load_order(host.settings.data_dir)


@pytest.mark.parametrize(
    ("resolution", "due"),
    [
        ("5", ["2026-11-05", "2026-11-06", "2026-11-08", "2026-11-09", "2026-11-11", "2026-11-12", "2026-11-13"]),
        ("D", ["2026-11-05", "2026-11-06", "2026-11-08", "2026-11-09", "2026-11-11", "2026-11-12", "2026-11-13"]),
        ("W", ["2026-11-09"]),
        ("M", []),
    ],
)
def test_bars_are_due_by_the_calendar_and_whole_ones_alone(host: Host, resolution: str, due: list[str]) -> None:
    """The eighth is a Sunday with a muhurat session, the tenth a holiday."""
    found = dates_due(host.calendar, resolution, date(2026, 11, 5), date(2026, 11, 15))

    assert [str(day) for day in found] == due


def test_a_month_begins_with_its_first_and_is_over_with_the_next(host: Host) -> None:
    assert [str(day) for day in dates_due(host.calendar, "M", date(2026, 1, 1), date(2026, 3, 30))] == [
        "2026-01-01", "2026-02-01",
    ]  # fmt: skip
    assert first_day("M", date(2026, 12, 31)) == date(2026, 12, 1)
    assert next_first_day("M", date(2026, 12, 1)) == date(2027, 1, 1)
    assert first_day("W", date(2026, 11, 22)) == MONDAY == first_day("W", MONDAY)
    assert over_ns("W", MONDAY) - over_ns("D", MONDAY) == 6 * 86_400 * 10**9


def test_before_the_calendar_s_facts_every_weekday_may_be_one(host: Host) -> None:
    found = [*dates_due(host.calendar, "5", date(2019, 1, 5), date(2019, 1, 14))]

    assert [day.day for day in found] == [7, 8, 9, 10, 11, 14]


@pytest.mark.parametrize(
    ("resolution", "days"), [("5", 100), ("15", 100), ("1", 35), ("5S", 2), ("D", 366), ("M", 366)]
)
def test_a_request_asks_for_what_the_broker_allows_and_a_record_holds(host: Host, resolution: str, days: int) -> None:
    assert window_days(parse_resolution(resolution), host.calendar) == days


@pytest.mark.parametrize("phase", ["pre_open", "closing_auction", "post_close"])
def test_what_is_traded_before_and_after_makes_a_days_answer_longer(tmp_path: Path, phase: str) -> None:
    def days(*names: str) -> int:
        hours = (["09:00:00", "12:00:00"], ["12:00:00", "15:00:00"])
        phases = {name: [each] for name, each in zip(names, hours, strict=False)}
        calendar = TradingCalendar.load(make_calendar(tmp_path / "calendar.json", FRIDAY, phases))
        return window_days(parse_resolution("5S"), calendar)

    both = (phase, "continuous") if phase == "pre_open" else ("continuous", phase)
    assert (days("continuous"), days(*both)) == (FEW_HOURS, FEW_HOURS // 2)


def test_windows_hold_each_missing_day_once_and_no_more_days_than_allowed() -> None:
    calendar, bars = TradingCalendar.load(), parse_resolution("5")
    missing = [*dates_due(calendar, "5", date(2025, 1, 1), date(2026, 11, 20))]
    del missing[10:60], missing[200]
    found = [*windows(missing, bars, 100)]

    assert all((last - first).days < 100 for first, last in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    assert all(sum(first <= day <= last for first, last in found) == 1 for day in missing)
    assert {day for pair in found for day in pair} <= {*missing}, "no window begins or ends with a day that is here"


def test_a_window_of_weeks_ends_with_the_last_one_s_sunday() -> None:
    (window,) = windows([date(2026, 11, 9), MONDAY], parse_resolution("W"), 366)

    assert window == (date(2026, 11, 9), date(2026, 11, 22))


def test_what_is_here_or_waits_to_be_built_is_not_asked_for_again(host: Host) -> None:
    order = host.order()
    assert host.left(order) == [(SBIN, "2026-11-16", "2026-11-20"), (INFY, "2026-11-16", "2026-11-20")]
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    assert host.left(order) == [(INFY, "2026-11-16", "2026-11-20")], "it waits in the journal"
    host.build()

    assert host.left(order) == [(INFY, "2026-11-16", "2026-11-20")], "it is in the lake"
    assert len(host.left(host.order(resolution="15"))) == 2, "of another resolution nothing is here"
    wider = host.order(MONDAY - 3 * DAY, date(2026, 11, 23))
    assert host.left(wider)[:2] == [(SBIN, "2026-11-13", "2026-11-23"), (INFY, "2026-11-13", "2026-11-23")]


def test_what_is_no_answer_of_an_ordered_symbol_is_left_out(host: Host) -> None:
    good = encode_backfill(BackfillAnswer(EVENING, 200, MONDAY, FRIDAY, "5", said()))
    with host.write() as writer:
        for number, payload in ((0, b"x"), (9, good), (1, good)):
            writer.append(FYERS_BACKFILL, number, payload, wall_ns=EVENING, mono_ns=0)

    [answer] = read_answers(sorted(host.journal.glob("*/*.seg")))
    assert (answer.symbol, answer.run_id, answer.recv_ns, answer.said.first) == (INFY, "run1", EVENING, MONDAY)


def test_an_answer_before_its_segments_head_is_nobodys_and_a_head_without_a_run_has_none(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    [segment] = sorted(host.journal.glob("*/*.seg"))
    head, *rest = read_segment(segment)
    bare = head._replace(payload=encode_control({"type": "segment", "candles": {"0": SBIN}}))
    found = []
    for records in (rest, [bare, *rest]):
        monkeypatch.setattr(pending, "read_segment", lambda _, records=records: records)
        found.append([(answer.symbol, answer.run_id) for answer in read_answers([segment])])

    assert found == [[], [(SBIN, "")]]


def test_a_symbol_that_is_not_recorded_has_the_calendar_of_the_segment_of_its_name(host: Host) -> None:
    gold = "MCX:GOLD26DECFUT"
    found = calendars_of(host.settings, host.calendar, (SBIN, gold))
    assert [found[symbol].segment for symbol in (SBIN, gold)] == ["nse_cash", "mcx"]


def test_an_answer_without_data_counts_for_nothing(host: Host) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, b'{"s":"error","code":-300,"message":"x"}'), status=200)
    assert len(host.left(host.order())) == 2
    host.build()

    assert len(host.left(host.order())) == 2


@pytest.mark.parametrize(
    ("candles", "resolution", "first", "last"),
    [
        ([], "5", MONDAY, FRIDAY),
        (week(1), "5", MONDAY, FRIDAY),
        (week(1)[1:4], "5", MONDAY + DAY, MONDAY + 3 * DAY),
        (week(1)[::-1], "5", MONDAY, FRIDAY),
        ([[1, 0, 0, 0, 0, 0]], "5", MONDAY, MONDAY),
    ],
)
def test_an_answer_speaks_for_the_days_from_its_first_candle_to_its_last(
    candles: list[Any], resolution: str, first: date, last: date
) -> None:
    answer = BackfillAnswer(EVENING, 200, MONDAY, FRIDAY, resolution, said(*candles))

    assert spoken_for(answer) == (first, last)


def test_a_week_is_spoken_for_as_a_whole() -> None:
    body = said([1_763_942_400 + 0, 1, 1, 1, 1, 1])  # Monday, 2025-11-24, 00:00 UTC
    answer = BackfillAnswer(EVENING, 200, date(2025, 11, 17), date(2025, 12, 7), "W", body)

    assert spoken_for(answer) == (date(2025, 11, 24), date(2025, 11, 30))
