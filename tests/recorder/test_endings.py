"""How a command ends by each kind of error, what a log never shows, and when a job is in the way of a session."""

import errno
import json
import logging
import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.recorder.fakes import make_calendar, make_config, make_settings
from tests.recorder.minute import DAY, OPEN_NS, SECOND

from harvester.base.clock import SystemClock
from harvester.base.endings import describe_ending
from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from harvester.base.logs import NOISY, configure_logs
from harvester.brokers.fyers.masters import DAYS, KeptMasters
from harvester.calendar import TradingCalendar
from harvester.cli import run
from harvester.config.segments import busy_at

SPACE, RIGHTS, OTHER = (
    "Free some disk space",
    "Run the command as the user whose files",
    "Correct that and run the command again",
)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, SPACE),
        (errno.EDQUOT, SPACE),
        (errno.EFBIG, SPACE),
        (errno.EACCES, RIGHTS),
        (errno.EPERM, RIGHTS),
        (errno.EIO, OTHER),
        (errno.ENOENT, OTHER),
    ],
)
def test_an_error_of_the_system_names_the_file_and_what_to_do(number: int, remedy: str) -> None:
    code, said = describe_ending(OSError(number, os.strerror(number), "/data/x"), for_traceback="See there.")

    assert (code, said.startswith(f"/data/x: {os.strerror(number)}. {remedy}")) == (1, True)
    assert ("See there." in said) is (remedy == OTHER)


def test_both_files_of_a_rename_are_named() -> None:
    error = OSError(errno.EXDEV, "Invalid cross-device link", "/a", None, "/b")

    assert describe_ending(error, for_traceback="")[1].startswith("/a to /b: Invalid")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (HarvesterError("what happened"), 1, "what happened"),
        (ConfigError("which key"), 2, "which key"),
        (UnhealthyError("what is wrong"), 3, "what is wrong"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("a bug"), 1, "unexpected ZeroDivisionError: a bug. See there."),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int, said: str) -> None:
    found = describe_ending(error, for_traceback="See there.")

    assert found[0] == code and found[1].startswith(said)


@pytest.mark.parametrize("debug", [False, True])
def test_libraries_that_print_secrets_stay_quiet_at_any_level(monkeypatch: pytest.MonkeyPatch, debug: bool) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    for name in NOISY:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)

    configure_logs(debug=debug)

    assert {logging.getLogger(name).getEffectiveLevel() for name in NOISY} == {logging.WARNING}


@pytest.mark.parametrize(("seconds", "busy"), [(-601, None), (-600, 0), (-1, 0), (0, 0), (59, 59), (60, None)])
def test_a_session_is_in_the_way_from_so_long_before_it_to_its_end(
    tmp_path: Path, seconds: int, busy: int | None
) -> None:
    """`busy`: the opening, or the moment itself, in seconds from the opening."""
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    settings, calendar = make_settings(tmp_path, calendar={"file": str(file)}), TradingCalendar.load(file)

    found = busy_at(settings, calendar, OPEN_NS + seconds * SECOND, 600 * SECOND)

    assert found == (None if busy is None else OPEN_NS + busy * SECOND)


@pytest.mark.parametrize(("seconds", "waits"), [(-1801, False), (-1800, True), (30, True), (61, False)])
def test_a_close_that_is_due_waits_where_it_would_run_into_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: int, waits: bool
) -> None:
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:01:00"]]})
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(tmp_path, calendar={"file": str(file)})))
    (tmp_path / "data/journal").mkdir(parents=True)
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: OPEN_NS + seconds * SECOND)

    assert run(["close", "--due", "--config", str(config)]) == 0
    assert ("is closed after it" in capsys.readouterr().out) is waits


def test_kept_masters_come_newest_first_and_the_oldest_go(tmp_path: Path) -> None:
    kept, file = KeptMasters(tmp_path / "masters"), tmp_path / "file.gz"
    file.write_bytes(b"\x1f\x8b")
    days = [date(2026, 9, 1) + timedelta(days=number) for number in range(DAYS + 1)]
    for day in days:
        kept.keep("NSE_CM", day, file)

    assert [each.day for each in kept.of("NSE_CM")] == days[:0:-1], "sixty of them"
    assert [each.day for each in kept.of("NSE_CM", before=days[3])] == [days[2], days[1]]
    assert kept.of("NSE_FO") == []
