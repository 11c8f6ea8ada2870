"""The application's hours, and the check that restarts it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.recorder.fakes import FakeClock

from harvester.application import control, cuts
from harvester.application.model import Application, load_application
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import midnight_ns
from harvester.base.validation import Refused, validate
from harvester.calendar import TradingCalendar
from harvester.cli import run as harvester
from harvester.dues.host import hours_by
from harvester.health import facts
from runbook.doctor.application import START, STOP, check_application
from runbook.fleet.inventory import Host

CALENDAR = TradingCalendar.load()
HOURS = hours_by(None, CALENDAR)
PHASES = ("pre_open", "continuous", "closing_auction")
SUNDAY, MONDAY, HOLIDAY, MUHURAT = date(2026, 11, 29), date(2026, 11, 30), date(2026, 11, 24), date(2026, 11, 8)
BUDGET_SUNDAY = date(2026, 2, 1)


def application(**changes: Any) -> Application:
    return validate(Application, {"unit": "market-app.service", "start": "08:55", "stop": "15:35"} | changes)


def inside(wanted: Application, day: date, time: str) -> bool:
    hours, minutes = time.split(":")
    return wanted.is_inside(midnight_ns(day) + (int(hours) * 60 + int(minutes)) * 60 * NS_PER_SECOND, HOURS)


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        (MONDAY, "08:54", False),
        (MONDAY, "08:55", True),
        (MONDAY, "15:34", True),
        (MONDAY, "15:35", False),
        (SUNDAY, "10:00", False),
        (HOLIDAY, "10:00", False),
        (BUDGET_SUNDAY, "10:00", True),
        (MUHURAT, "10:00", True),
        (MUHURAT, "18:30", False),
    ],
)
def test_fixed_hours_are_those_of_each_trading_day(day: date, time: str, expected: bool) -> None:
    assert inside(application(), day, time) is expected


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        (MONDAY, "08:55", True),
        (MONDAY, "15:39", True),
        (MONDAY, "15:40", False),
        (MUHURAT, "10:00", False),
        (MUHURAT, "18:10", True),
        (MUHURAT, "19:19", True),
        (MUHURAT, "19:20", False),
        (date(2026, 12, 7), "15:44", True),
        (HOLIDAY, "10:00", False),
    ],
)
def test_hours_by_the_market_follow_special_sessions_and_new_rules(day: date, time: str, expected: bool) -> None:
    assert inside(application(start="open-5m", stop="close+5m"), day, time) is expected


def test_phases_that_the_hours_cut_or_miss_are_named_once() -> None:
    found = list(cuts.find_cuts(application(), CALENDAR, PHASES, HOURS, (date(2026, 11, 2), 50)))

    assert found == [
        (MUHURAT, "it runs 08:55 to 15:35, which misses continuous (18:15 to 19:15)"),
        (date(2026, 12, 7), "it runs 08:55 to 15:35, which cuts closing_auction (15:30 to 15:40)"),
    ]
    market = application(start="open-5m", stop="close")
    assert list(cuts.find_cuts(market, CALENDAR, PHASES, HOURS, (date(2026, 11, 2), 50))) == []


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [
        ("09:15", "15:15", None),
        ("09:15", "15:14", "it runs 09:15 to 15:14, which cuts continuous (09:15 to 15:15)"),
        ("09:16", "15:15", "it runs 09:16 to 15:15, which cuts continuous (09:15 to 15:15)"),
        ("15:15", "16:00", "it runs 15:15 to 16:00, which misses continuous (09:15 to 15:15)"),
        ("15:14", "16:00", "it runs 15:14 to 16:00, which cuts continuous (09:15 to 15:15)"),
        ("08:00", "09:15", "it runs 08:00 to 09:15, which misses continuous (09:15 to 15:15)"),
        ("08:00", "09:16", "it runs 08:00 to 09:16, which cuts continuous (09:15 to 15:15)"),
    ],
)
def test_hours_that_touch_a_phase_miss_it_and_hours_that_are_its_own_cut_nothing(
    start: str, stop: str, found: str | None
) -> None:
    wanted = application(start=start, stop=stop)

    said = [sentence for _, sentence in cuts.find_cuts(wanted, CALENDAR, ("continuous",), HOURS, (MONDAY, 1))]
    assert said == ([found] if found else [])


def test_doctor_says_so_and_its_remedy_ends_it() -> None:
    variables = {
        "application_source": "x",
        "harvester_settings": {"symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": "A1B2C3D4E5-100"}},
    }
    now_ns = midnight_ns(MONDAY)

    [found] = check_application(Host("h1", "192.0.2.1", variables=variables), None, now_ns)
    remedy = {"application_start": "open-5m", "application_stop": "close+5m"}
    [then] = check_application(Host("h1", "192.0.2.1", variables=variables | remedy), None, now_ns)
    [wrong] = check_application(Host("h1", "192.0.2.1", variables=variables | {"application_stop": "x"}), None, now_ns)
    nothing = list(check_application(Host("h1", "192.0.2.1", variables={}), None, now_ns))

    assert (found.level, "cuts closing_auction (15:30 to 15:40)" in found.detail) == ("warn", True)
    assert all(f"{name}: {value}" in found.fix for name, value in remedy.items())
    assert (then.level, wrong.level, nothing) == ("ok", "fail", [])
    follows = ", which follow the market; then ./inv deploy"
    assert found.fix == f"Set application_start: open-5m and application_stop: close+5m{follows}"
    assert found.detail.startswith("from Mon 07 Dec on it runs 08:55 to 15:35, which cuts ")
    assert then.detail == "its hours, open-5m to close+5m, hold every phase of the next 60 days"
    assert wrong.detail.startswith("its hours are refused:  stop: is no schedule: write ")
    assert wrong.fix == "Correct application_start and application_stop."
    assert {each.name for each in (found, then, wrong)} == {"h1: application"}
    assert list(check_application(Host("h1", "x", variables={"application_repository": "x"}), None, now_ns)) == []


def test_doctor_goes_by_the_roles_defaults(root: Path) -> None:
    defaults = yaml.safe_load((root / "roles/application/defaults/main.yml").read_text("utf-8"))

    assert (defaults["application_start"], defaults["application_stop"]) == (START, STOP)
    application(health=defaults["application_health"])


@pytest.mark.parametrize(
    "changes",
    [
        {"start": "every 5min"},
        {"start": "Mon 08:55"},
        {"start": "08:55,09:00"},
        {"start": "16:00"},
        {"start": "15:35"},
        {"health": "http://192.0.2.1:8000/"},
        {"health": "https://127.0.0.1:8000/"},
        {"unit": "ssh@.service"},
    ],
)
def test_hours_and_addresses_that_cannot_be_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Refused):
        application(**changes)


def test_a_file_that_is_not_there_or_is_refused_says_what_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "application.json"
    with pytest.raises(ConfigError, match=r"this host has no application.*application_source.*\./inv deploy"):
        load_application(file)
    for text in ("{", '{"unit": "x"}'):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"\./inv deploy writes it"):
            load_application(file)


class Systemd:
    """A unit whose state is given; what is asked of it is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
        self.asked: list[str] = []
        monkeypatch.setattr(control, "look_at_units", lambda names: {names[0]: facts.Unit(True, active=state)})
        monkeypatch.setattr(control, "_systemctl", lambda verb, unit: self.asked.append(f"{verb} {unit}"))


@contextmanager
def answering(*codes: int) -> Iterator[str]:
    """A service that answers with these codes in turn, the last one for ever; its address."""
    left = list(codes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/health"
        finally:
            server.shutdown()
            thread.join()


def check(health: str) -> tuple[str, list[float]]:
    pauses: list[float] = []
    try:
        return control.check(application(health=health), pause=pauses.append), pauses
    except HarvesterError as error:
        return f"raised: {error}", pauses


@pytest.mark.parametrize(("codes", "pauses"), [((200,), 0), ((503, 503, 200), 2)])
def test_what_answers_within_three_tries_is_left_alone(codes: Any, pauses: int, monkeypatch: Any) -> None:
    systemd = Systemd(monkeypatch, "active")
    with answering(*codes) as address:
        assert check(address) == ("market-app.service is active and answers", [5.0] * pauses)
    assert systemd.asked == []


def test_what_does_not_answer_is_restarted_and_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    systemd = Systemd(monkeypatch, "active")
    with answering(503) as address:
        said, pauses = check(address)
    gone, _ = check(address)

    assert said.startswith(f"raised: market-app.service: {address} answers 503. It was restarted, and is well since.")
    assert f"{address} does not answer (" in gone
    assert len(pauses) == 2
    assert systemd.asked == ["reset-failed market-app.service", "restart market-app.service"] * 2


def test_a_failed_unit_is_started_again_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    systemd = Systemd(monkeypatch, "failed")

    assert "its unit has failed. It was restarted" in check("")[0]
    assert systemd.asked == ["reset-failed market-app.service", "restart market-app.service"]


def test_what_was_stopped_stays_stopped_and_what_starts_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    systemd = Systemd(monkeypatch, "inactive")
    assert "is stopped within its hours" in check("")[0] and "./inv start --application" in check("")[0]
    assert systemd.asked == []
    starting = Systemd(monkeypatch, "activating")
    assert (check("http://127.0.0.1:9/")[0], starting.asked) == ("market-app.service is activating", [])


@pytest.mark.parametrize(
    ("moment", "verb", "asked"),
    [
        ("10:00", "start", ["start market-app.service"]),
        ("10:00", "stop", []),
        ("15:35", "stop", ["stop market-app.service"]),
        ("15:35", "start", []),
        ("08:54", "check", []),
    ],
)
def test_a_late_timer_starts_and_stops_by_the_hours_and_not_against_them(
    moment: str, verb: str, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "application.json").write_text(
        json.dumps({"unit": "market-app.service", "start": "08:55", "stop": "15:35"})
    )
    monkeypatch.setenv("HARVESTER_APPLICATION", str(tmp_path / "application.json"))
    hour, minute = map(int, moment.split(":"))
    at_ns = midnight_ns(MONDAY) + (hour * 60 + minute) * 60 * NS_PER_SECOND
    monkeypatch.setattr("harvester.commands.application.SystemClock", lambda: FakeClock(at_ns))
    systemd = Systemd(monkeypatch, "inactive")

    assert harvester(["application", verb]) == 0
    assert systemd.asked == asked
    assert harvester(["application", "within"]) == (0 if moment == "10:00" else 4)
