"""The calendar of the market us, made of a public package's facts: the packaged one is what comes of them today."""

import hashlib
import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from harvester.base.errors import HarvesterError
from harvester.base.market import MARKETS, entered
from harvester.base.validation import validate
from harvester.calendar.model import CalendarFile, packaged
from runbook.fleet import calendar, us_calendar

FACTS: dict[str, Any] = {
    "version": "9.9",
    "zone": "America/New_York",
    "opens": "09:30:00",
    "closes": "16:00:00",
    "holidays": {"2026-11-26": "Thanksgiving"},
    "early": {"2026-11-27": "13:00:00"},
}


def test_facts_become_a_calendar_that_names_its_source() -> None:
    made = us_calendar.compose(FACTS, 2026, 2026)

    with entered("us"):
        file = validate(CalendarFile, json.loads(calendar.encode(made)))
    assert file.main == "us_equities" and file.valid_until.isoformat() == "2026-12-31"
    [holiday], [half] = file.holidays, file.special_sessions
    assert (holiday.name, half.kind, half.phases["continuous"]) == ("Thanksgiving", "half_day", ((34200, 46800),))
    assert {each.reference for each in (holiday, half, *file.phase_rules)} == {"exchange_calendars 9.9, XNYS"}


def test_facts_of_another_zone_are_refused() -> None:
    with pytest.raises(HarvesterError, match=r"NYSE in America/Chicago, and the market us is in America/New_York"):
        us_calendar.compose(FACTS | {"zone": "America/Chicago"}, 2026, 2026)


def test_a_new_closing_is_shown_before_it_is_written() -> None:
    before = us_calendar.compose(FACTS, 2026, 2026)
    mourning = FACTS | {"holidays": {**FACTS["holidays"], "2026-12-04": "closed by a decision of the exchange"}}

    with entered("us"):
        [change] = calendar.compare(before, us_calendar.compose(mourning, 2026, 2026))

    assert (change.sign, change.day, change.segment) == ("+", "2026-12-04", "us_equities")


def test_the_inventory_says_which_market_it_is_about(tmp_path: Path) -> None:
    file = tmp_path / "calendar.json"
    file.write_bytes(packaged(MARKETS["us"]).read_bytes())

    assert calendar.market_of(None) == "nse"
    assert calendar.market_of(None, [{}, {"harvester_market": "us"}]) == "us"
    assert calendar.market_of(file) == "us", "its calendar says it where nothing else does"
    assert calendar.market_of(file, [{"harvester_market": "nse"}]) == "nse"
    file.write_text("[]")
    assert calendar.market_of(file) == "nse"
    with pytest.raises(HarvesterError, match=r"harvester_market is 'asx' in the inventory. Write one of nse, us"):
        calendar.market_of(None, [{"harvester_market": "asx"}])


Ran = list[list[str]]


def answering(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, str, str]) -> Ran:
    """Programs that end so, one after the other; the list fills with how they were called."""
    ran: Ran = []
    left = list(answers)

    def run(words: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        assert options == {"capture_output": True, "text": True, "timeout": 600, "check": False}
        ran.append(words)
        if "venv" in words:
            (Path(words[-1]) / "bin").mkdir(parents=True)
            (Path(words[-1]) / "bin" / "python").touch()
        return subprocess.CompletedProcess(words, *left.pop(0))

    monkeypatch.setattr(subprocess, "run", run)
    return ran


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "calendars.txt").write_text("exchange_calendars==9.9\n")
    return tmp_path


WELL = (0, "", "")


def test_the_packages_venv_is_made_once_by_the_hashes_of_its_lock(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = checkout / "requirements" / "calendars.txt"
    ran = answering(monkeypatch, WELL, WELL, WELL, WELL)

    python = us_calendar.provide_venv(checkout)

    uv = [str(Path(sys.executable).with_name("uv")), "-q", "--system-certs"]
    folder = checkout / ".cache" / f"calendars-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    making = f"{folder}.making"
    assert python == folder / "bin" / "python" and python.exists()
    assert ran == [
        [*uv, "venv", "--relocatable", "--python", sys.executable, making],
        [*uv, "pip", "sync", "--require-hashes", "--python", f"{making}/bin/python", str(lock)],
    ]
    assert us_calendar.provide_venv(checkout) == python and len(ran) == 2, "it is there"
    lock.write_text("exchange_calendars==9.10\n")
    assert us_calendar.provide_venv(checkout) != python and len(ran) == 4, "of another lock"


@pytest.mark.parametrize("failed", [0, 1])
def test_packages_that_do_not_come_leave_no_venv_and_the_next_run_begins_anew(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, failed: int
) -> None:
    ran = answering(monkeypatch, *[WELL] * failed, (2, "", "much\nno network\n"), WELL, WELL)
    with pytest.raises(HarvesterError) as caught:
        us_calendar.provide_venv(checkout)

    assert str(caught.value) == (
        f"{checkout}/requirements/calendars.txt: its packages did not come (no network). Is the package index"
        " reachable? Run the command again; or give a whole calendar with --source FILE."
    )
    assert len(ran) == failed + 1
    assert us_calendar.provide_venv(checkout).exists()


def test_days_are_asked_of_the_package_in_its_own_venv(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = answering(monkeypatch, WELL, WELL, (0, json.dumps(FACTS), ""), (1, "", "Traceback\nKeyError: 'XNYS'\n"))

    assert us_calendar.fetch(checkout, 2026, 2026) == us_calendar.compose(FACTS, 2026, 2026)

    python = us_calendar.provide_venv(checkout)
    facts = Path(us_calendar.__file__).with_name("nyse_facts.py")
    assert ran[2] == [str(python), "-I", str(facts), "2026", "2026"]
    with pytest.raises(HarvesterError) as caught:
        us_calendar.fetch(checkout)
    assert ran[3][-2:] == ["2025", "2028"]
    assert str(caught.value) == (
        f"exchange_calendars gave no days (KeyError: 'XNYS'). Remove its venv, {python.parent.parent}, and run the"
        " command again."
    )


class Closes(dict[datetime, datetime]):
    """The package's column of closes, as far as it is asked: moments by day, in another zone on demand."""

    @property
    def dt(self) -> "Closes":
        return self

    def tz_convert(self, zone: ZoneInfo) -> "Closes":
        return Closes({day: moment.astimezone(zone) for day, moment in self.items()})


def test_what_the_package_says_is_told_without_weekends_and_other_years(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the names of exchange_calendars (its documentation, ExchangeCalendar); the real one is asked with --long."""

    def day(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    def holidays(begin: str, end: str, return_name: bool) -> dict[datetime, str]:
        asked.append((begin, end, return_name))
        return {day("2026-11-26"): "Thanksgiving", day("2026-01-01"): "New Year", day("2026-07-04"): "on Saturday"}

    def get_calendar(name: str, start: str, end: str) -> Any:
        asked.append((name, start, end))
        return made

    asked: list[Any] = []
    adhoc = ("2025-01-09", "2026-03-03", "2026-03-01", "2026-02-28", "2027-05-05")
    early = ("2026-11-27", "2025-11-28", "2027-11-26")
    made = SimpleNamespace(
        regular_holidays=SimpleNamespace(holidays=holidays),
        adhoc_holidays=[day(text) for text in adhoc],
        closes=Closes({day(text): day(f"{text} 18:00") for text in early}),
        early_closes=[day(text) for text in early],
        tz=ZoneInfo("America/New_York"),
        open_times=[(None, time(9, 30))],
        close_times=[(None, time(16, 0))],
    )
    monkeypatch.setitem(sys.modules, "exchange_calendars", SimpleNamespace(get_calendar=get_calendar))
    monkeypatch.delitem(sys.modules, "runbook.fleet.nyse_facts", raising=False)
    nyse_facts = importlib.import_module("runbook.fleet.nyse_facts")
    monkeypatch.setattr(nyse_facts, "version", lambda name: f"{name} 9.9")

    facts = nyse_facts.facts(2026, 2026)

    assert facts == {
        "version": "exchange_calendars 9.9",
        "zone": "America/New_York",
        "opens": "09:30:00",
        "closes": "16:00:00",
        "holidays": {
            "2026-01-01": "New Year",
            "2026-03-03": "closed by a decision of the exchange",
            "2026-11-26": "Thanksgiving",
        },
        "early": {"2026-11-27": "13:00:00"},
    }
    assert list(facts["holidays"]) == ["2026-01-01", "2026-03-03", "2026-11-26"], "in their order"
    assert asked == [("XNYS", "2026-01-01", "2026-12-31"), ("2026-01-01", "2026-12-31", True)]


@pytest.mark.parametrize("is_written", [False, True])
def test_what_would_change_is_shown_and_written_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_written: bool
) -> None:
    path = tmp_path / "us.json"
    before = us_calendar.compose(FACTS, 2026, 2026)
    monkeypatch.setattr(us_calendar, "packaged", lambda: path)
    now = us_calendar.compose(FACTS | {"holidays": {**FACTS["holidays"], "2026-12-04": "Mourning"}}, 2026, 2026)
    monkeypatch.setattr(us_calendar, "fetch", lambda root: now if root == us_calendar.ROOT else None)
    with entered("us"):
        calendar.write(path, before)

    words = ["--write"] if is_written else []
    assert us_calendar.main(words) == (0 if is_written else 1)
    assert capsys.readouterr().out == "+ 2026-12-04 Mourning exchange_calendars 9.9, XNYS\n"
    assert json.loads(path.read_bytes()) == (now if is_written else before)
    assert us_calendar.main(words) == (0 if is_written else 1)
    path.unlink()
    assert us_calendar.main(words) == 0, "there is nothing to compare with"
    assert path.exists() is is_written


@pytest.mark.long
def test_the_packaged_calendar_is_what_the_package_says_today(root: Path) -> None:
    """Of the version that the lock names. After a change of the lock: python -m runbook.fleet.us_calendar --write."""
    made: dict[str, Any] = us_calendar.fetch(root)

    assert json.loads(packaged(MARKETS["us"]).read_bytes()) == made
