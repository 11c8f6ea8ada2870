"""A day is closed after its own last window, that night; and no weekly job runs into an opening."""

import json
import os
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml
from tests.recorder.fakes import make_config

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone
from harvester.cli import run as harvester
from harvester.lake.layout import Partition

CASH, GOLD = "NSE:SBIN-EQ", "MCX:GOLD26DECFUT"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands of a host that records these symbols, at a time in India."""

    def play(moment: str, *arguments: str, symbols: tuple[str, ...] = (CASH,)) -> tuple[int, str]:
        config = make_config(tmp_path, symbols=list(symbols), poll={"interval_seconds": 60.0, "timeout_seconds": 0.8})
        config["calendar"] = {}
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        now = datetime.fromisoformat(moment).replace(tzinfo=zone())
        wall_ns = int(now.timestamp()) * NS_PER_SECOND
        for module in ("close", "sessions"):
            monkeypatch.setattr(f"harvester.commands.{module}.SystemClock.wall_ns", lambda _: wall_ns)
        began_ns = time.time_ns()
        code = harvester([arguments[0], "--config", str(tmp_path / "config.json"), *arguments[1:]])
        for manifest in (tmp_path / "data" / "lake").glob("manifest/*/*/manifest.json"):
            if manifest.stat().st_mtime_ns >= began_ns - NS_PER_SECOND:
                os.utime(manifest, ns=(wall_ns, wall_ns))  # written in this run, so now by the clock of the test
        return code, capsys.readouterr().out

    return play


def closed(tmp_path: Path, day: str) -> bool:
    partition = Partition(datetime.fromisoformat(day).date(), "test1")
    return (tmp_path / "data" / "lake" / partition.manifest).exists()


def test_a_muhurat_day_is_closed_that_night_and_not_before(host: Run, tmp_path: Path) -> None:
    assert "the session goes on until 19:15:00" in host("2026-11-08T16:10", "close", "--due")[1]
    assert not closed(tmp_path, "2026-11-08")
    assert host("2026-11-08T18:10", "close", "--due") == (0, CLOSE_LATER)
    assert host("2026-11-08T19:10", "close", "--due") == (0, CLOSE_LATER)
    assert "2026-11-08: closed, generation 1" in host("2026-11-08T20:10", "close", "--due")[1]
    assert closed(tmp_path, "2026-11-08")
    assert host("2026-11-08T21:10", "close", "--due") == (0, "Every day is closed.\n")


CLOSE_LATER = "A session is open, or opens soon: the day is closed after it.\n"


def test_an_ordinary_day_is_closed_at_ten_past_four_and_no_close_runs_into_an_opening(
    host: Run, tmp_path: Path
) -> None:
    assert host("2026-11-30T08:50", "close", "--due") == (0, CLOSE_LATER)
    assert "2026-11-30: closed, generation 1" in host("2026-11-30T16:10", "close", "--due")[1]
    (journal := tmp_path / "data" / "journal" / "2026-11-30").mkdir(parents=True)
    (journal / "20261130T110000Z-late.seg").write_bytes(b"")
    assert host("2026-11-30T17:10", "close", "--due") == (0, "Every day is closed.\n"), "taken in tomorrow"


def test_a_host_that_records_gold_closes_after_midnight(host: Run, tmp_path: Path) -> None:
    both = (CASH, GOLD)
    (tmp_path / "data" / "journal" / "2026-11-30").mkdir(parents=True)
    for moment in ("2026-11-30T16:10", "2026-11-30T23:10"):
        assert host(moment, "close", "--due", symbols=both) == (0, CLOSE_LATER)
    assert "2026-11-30: closed, generation 1" in host("2026-12-01T00:10", "close", "--due", symbols=both)[1]


def test_a_session_that_is_announced_after_the_close_makes_the_day_due_again(
    host: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harvester.calendar import TradingCalendar
    from harvester.lake.close import is_due_today

    host("2026-11-30T16:10", "close", "--due")
    lake, day, phases = tmp_path / "data" / "lake", date(2026, 11, 30), ("continuous",)
    calendar = TradingCalendar.load()

    assert not is_due_today(lake, "test1", [calendar], phases, day)  # type: ignore[arg-type]
    assert is_due_today(lake, "test1", [calendar, calendar.of("mcx")], phases, day)  # type: ignore[arg-type]
    assert is_due_today(lake, "other", [calendar], phases, day), "never closed"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "free"),
    [
        ("2026-11-30T08:50", False),
        ("2026-11-30T06:59", True),
        ("2026-11-30T07:00", False),
        ("2026-11-30T12:00", False),
        ("2026-11-30T15:34", False),
        ("2026-11-30T15:35", True),
        ("2026-11-29T11:00", True),
        ("2026-11-08T17:00", False),
    ],
)
def test_a_weekly_job_asks_whether_nothing_opens_within_two_hours(host: Run, moment: str, free: bool) -> None:
    code, said = host(moment, "sessions", "--free-for", "120")

    assert code == (0 if free else 1)
    assert said == "" if free else said.startswith("Not now: a session that is recorded ")


def test_the_weekly_check_is_asked_in_the_evenings_and_runs_once_a_week(
    host: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = root / "roles/harvester"
    service = (roles / "templates/harvester-verify.service.j2").read_text("utf-8")
    timer = (roles / "templates/harvester-verify.timer.j2").read_text("utf-8")
    assert "ExecCondition={{ __harvester_current }}/bin/harvester sessions --free-for 120" in service
    assert "Persistent" not in timer, "or a host that slept would run it at its start, which is before an opening"
    defaults = yaml.safe_load((roles / "defaults/main.yml").read_text("utf-8"))
    assert defaults["harvester_verify_again_calendar"].startswith("*-*-* 16..23:25")

    lake = tmp_path / "data" / "lake"
    weekly = ["verify", str(lake), "--every-days", "6"]
    assert harvester(weekly) == 2, "it has no place to remember"
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    capsys.readouterr()
    assert harvester(weekly) == 0
    assert capsys.readouterr().out == "No day is closed yet.\n"
    host("2026-11-27T16:10", "close", "--due")
    assert harvester(weekly) == 0
    capsys.readouterr()
    stamp = tmp_path / "verified"
    assert harvester(weekly) == 0
    assert capsys.readouterr().out == "Verified not long ago, nothing to do.\n"
    os.utime(stamp, (0, 0))
    assert harvester(weekly) == 0
    assert stamp.stat().st_mtime > 0, "checked again"
    next(lake.glob("gaps_v3/**/*.parquet")).write_bytes(b"x")
    os.utime(stamp, (0, 0))
    assert harvester(weekly) == 1
    assert stamp.stat().st_mtime == 0, "what is wrong is asked for again in the next evening"


def test_the_timer_starts_the_close_that_waits_and_the_operator_the_one_that_does_not(root: Path) -> None:
    units = (root / "roles/harvester/vars/main/units.yml").read_text("utf-8")
    playbook = (root / "playbooks/close.yml").read_text("utf-8")

    assert 'name: harvester-close.service, template: harvester-close.service.j2, arguments: " --due"' in units
    assert "name: harvester-close-all.service, template: harvester-close.service.j2}" in units
    assert "else '-all'" in playbook
