"""When jobs are due: market time, intervals, times of day; what the timers say of it, and systemd of the timers."""

import re
import shutil
import subprocess
from datetime import UTC, date, datetime

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, zone
from harvester.calendar import TradingCalendar
from harvester.config.segments import hours_of
from harvester.config.settings import CalendarSettings
from harvester.jobs.plan import segments_of
from harvester.jobs.schedule import Hours, When, read_schedule, read_span

CALENDAR = TradingCalendar.load()
ORDINARY, HOLIDAY, MUHURAT, LATER = date(2026, 11, 30), date(2026, 12, 25), date(2026, 11, 8), date(2026, 12, 8)


@pytest.fixture(autouse=True)
def read_anew() -> None:
    """A schedule is read once in a process; here each test reads it itself."""
    read_schedule.cache_clear()


def hours(day: date) -> Hours | None:
    return hours_of([CALENDAR], day, CalendarSettings().phases)


def times(text: str, day: date) -> list[str]:
    """When it is due on a day, in India."""
    moments = read_schedule(text).moments(day, hours(day))
    return [f"{datetime.fromtimestamp(at // NS_PER_SECOND, zone()):%d %H:%M:%S}" for at in moments]


@pytest.mark.parametrize(
    ("text", "day", "due"),
    [
        ("open-10m", ORDINARY, ["30 08:50:00"]),
        ("close+30m", ORDINARY, ["30 16:05:00"]),
        ("close+30m", LATER, ["08 16:10:00"]),  # the closing auction is longer since 7 December
        ("close", MUHURAT, ["08 19:15:00"]),
        ("open-10m", HOLIDAY, []),
        ("every 6h", HOLIDAY, ["25 00:00:00", "25 06:00:00", "25 12:00:00", "25 18:00:00"]),
        ("16:00", HOLIDAY, ["25 16:00:00"]),
        ("Sun 16:30", date(2026, 12, 6), ["06 16:30:00"]),
        ("Sun 16:30", date(2026, 12, 7), []),
        ("Sat..Mon 16:30", date(2026, 12, 7), ["07 16:30:00"]),
        ("Sat..Mon 16:30", date(2026, 12, 4), []),
        ("Fri..Mon 9:05,15:00:30", date(2026, 12, 5), ["05 09:05:00", "05 15:00:30"]),
        ("Fri..Mon 9:05", date(2026, 12, 8), []),
        ("*-*-01,15 06:00", date(2026, 12, 15), ["15 06:00:00"]),
        ("*-*-01,15 06:00", date(2026, 12, 16), []),
    ],
)
def test_a_job_is_due_when_its_schedule_and_the_calendar_say(text: str, day: date, due: list[str]) -> None:
    assert times(text, day) == due


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sometimes", "is no schedule: write open-10m"),
        ("open-10", "90s, 15min"),
        ("open-7h", "at most 6 hours from the open"),
        ("every 7min", "whole ones make a day"),
        ("every 2s", "of 10s at least"),
        ("every", "is no schedule"),
        ("Son 16:00", "names no weekday"),
        ("Mon.. 16:00", "names no weekday"),
        ("Mon..Son 16:00", "names no weekday"),
        ("Son..Mon 16:00", "names no weekday"),
        ("*-*-1* 06:00", "day of the month"),
        ("*-*-32 06:00", "day of the month"),
        ("25:00", "no time of day"),
        ("16", "no time of day"),
        ("", "is no schedule"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_forms_there_are(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        When.parse(text)


def test_spans_are_written_as_people_do() -> None:
    assert [read_span(text) for text in ("90s", "15min", "10m", "2h", "1h30m", "1d")] == [
        90,
        900,
        600,
        7200,
        5400,
        86_400,
    ]
    for wrong in ("", "10", "m10", "1h 30m", "-5m", "5M"):
        with pytest.raises(ValueError, match="must be a time such as"):
            read_span(wrong)


def test_the_timer_of_market_time_names_each_time_of_day_that_the_calendar_has() -> None:
    known = [hours(day) for day in (ORDINARY, LATER, MUHURAT, HOLIDAY)]

    assert read_schedule("close+30m").calendars([each for each in known if each]) == [
        "*-*-* 16:05:00 Asia/Kolkata",
        "*-*-* 16:10:00 Asia/Kolkata",
        "*-*-* 19:45:00 Asia/Kolkata",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize(
    "text",
    [
        *("every 10s", "every 5min", "every 90min", "every 1h", "every 6h", "every 1d", "every 24min"),
        *("16:00", "Sun 16:30", "Fri..Mon 9:05,15:00:30", "*-*-01,15 06:00", "Mon,Wed *-*-02 23:59:59", "00:00"),
    ],
)
def test_systemd_means_by_the_timer_what_the_ledger_means(text: str) -> None:
    """Over the first 40 times; of an interval this is part of a day, of others weeks or months."""
    begin, meant = datetime(2026, 11, 30, tzinfo=zone()), []
    for offset in range(6000):
        day = date.fromordinal(begin.date().toordinal() + offset)
        meant += read_schedule(text).moments(day, None)
        if len(meant) >= 40:
            break

    assert (
        sorted({at for line in read_schedule(text).calendars([]) for at in elapses(line, begin, 40)})[:40] == meant[:40]
    )


def elapses(calendar: str, begin: datetime, count: int) -> list[int]:
    """By systemd itself; the time of the base is not among what follows it."""
    base = f"{datetime.fromtimestamp(begin.timestamp() - 1, UTC):%Y-%m-%d %H:%M:%S} UTC"
    command = ["systemd-analyze", "calendar", f"--iterations={count}", f"--base-time={base}", calendar]
    environment = {"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    found = re.findall(r"(?:elapse|Iter\. #\d+): \w{3} ([0-9-]{10} [0-9:]{8}) UTC", said)
    return [int(datetime.fromisoformat(each).replace(tzinfo=UTC).timestamp()) * NS_PER_SECOND for each in found]


@pytest.mark.parametrize(
    ("settings", "segments"),
    [
        ({"symbols": ["NSE:SBIN-EQ"]}, ["nse_cash", "nse_cash_other"]),
        (
            {"symbols": ["NSE:SBIN-EQ"], "tbt": {"symbols": ["NSE:NIFTY26DECFUT"]}},
            ["nse_cash", "nse_cash_other", "nse_fo"],
        ),
        ({"symbols": ["MCX:GOLD26DECFUT"], "hsm": None}, ["mcx", "mcx_agri_global", "mcx_agri"]),
        ({"hsm": {"symbols": ["NSE:NIFTY26DECFUT"]}, "candles": {"symbols": []}}, ["nse_fo"]),
        ({"candles": {"symbols": ["NSE:NIFTY26DECFUT"]}}, ["nse_fo"]),
        ({"hsm": {"index_symbols": ["NSE:NIFTY50-INDEX"]}}, ["nse_cash", "nse_cash_other"]),
    ],
)
def test_a_symbol_may_turn_out_to_be_of_any_segment_of_its_exchange_and_kind(
    settings: dict[str, object], segments: list[str]
) -> None:
    assert segments_of(settings) == segments


def test_where_rules_stand_for_symbols_any_segment_is_possible() -> None:
    assert len(segments_of({"symbols": [{"underlying": "NIFTY"}]})) == len(segments_of({})) == 12


def spelled(field: str, whole: int) -> range:
    """The values of a field of OnCalendar, such as "*", "00" or "00/15" (systemd.time(7))."""
    first, _, step = ("00/1" if field == "*" else field).partition("/")
    return range(int(first), whole if step else int(first) + 1, int(step or 1))


@pytest.mark.parametrize("seconds", [number for number in range(10, 86_401) if 86_400 % number == 0])
def test_the_timer_of_an_interval_has_its_times_and_no_other(seconds: int) -> None:
    schedule = read_schedule(f"every {seconds}s")
    times = [text.split()[1].split(":") for text in schedule.calendars([])]

    of_timer = sorted(
        3600 * hour + 60 * minute + second
        for fields in times
        for hour in spelled(fields[0], 24)
        for minute in spelled(fields[1], 60)
        for second in spelled(fields[2], 60)
    )
    assert of_timer == list(range(0, 86_400, seconds))
    day = date(2026, 11, 23)
    assert schedule.moments(day, None) == [midnight_ns(day) + at * NS_PER_SECOND for at in of_timer]


@pytest.mark.parametrize(
    ("text", "timer"),
    [("6h", "00/6:00:00"), ("1h", "*:00:00"), ("15min", "*:00/15:00"), ("20s", "*:*:00/20"), ("12h", "00/12:00:00")],
)
def test_the_timer_of_an_interval_is_one_line_where_systemd_has_a_form_for_it(text: str, timer: str) -> None:
    assert read_schedule(f"every {text}").calendars([]) == [f"*-*-* {timer} Asia/Kolkata"]
