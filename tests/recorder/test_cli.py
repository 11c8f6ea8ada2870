"""The command line: codes, messages, and modules imported only when they are the ones to run."""

import io
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from tests.recorder.fakes import make_calendar, make_config, make_token

from harvester.cli import COMMANDS, run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(make_config(tmp_path)))
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run([name, "--help"])

    assert ended.value.code == 0
    assert COMMANDS[name].summary.split(":")[0] in " ".join(capsys.readouterr().out.split())


def test_usage_mistakes_exit_with_two() -> None:
    for arguments in ([], ["fly"], ["run", "--fast"], ["config"]):
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        assert ended.value.code == 2


def test_the_version_is_the_release_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for expected, content in (("dev", None), ("0123abcd", "0123abcd\n")):
        if content:
            (tmp_path / "RELEASE").write_text(content)
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        with pytest.raises(SystemExit) as ended:
            run(["--version"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.strip() == expected


def test_a_missing_configuration_is_one_paragraph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["health", "--config", str(tmp_path / "none.json")])

    message = capsys.readouterr().err
    assert code == 2
    assert "none.json" in message
    assert message.count("\n") == 1


def test_an_unexpected_error_is_one_line_unless_debugging(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: object) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("harvester.commands.sessions.run", explode)

    assert run(["sessions", "--config", str(config)]) == 1
    brief = capsys.readouterr().err
    assert brief.count("\n") == 1
    assert "--debug" in brief
    assert run(["sessions", "--config", str(config), "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_sessions_are_printed_with_what_is_recorded(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sessions", "--config", str(config), "--date", "2026-08-03"]) == 0
    printed = capsys.readouterr().out
    assert "Monday 2026-08-03: ordinary session" in printed
    assert "continuous       09:15:00 to 15:15:00  recorded" in printed
    assert "closing_auction  15:15:00 to 15:35:00  not recorded" in printed
    assert run(["sessions", "--config", str(config), "--date", "2026-11-24"]) == 0
    assert "no session" in capsys.readouterr().out
    assert run(["sessions", "--config", str(config), "--date", "tomorrow"]) == 2


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a host's configuration."""
    monkeypatch.delenv("HARVESTER_CONFIG", raising=False)
    monkeypatch.setattr("harvester.config.file.DEFAULT_PATH", str(tmp_path / "none.json"))


@pytest.mark.usefixtures("laptop")
def test_sessions_need_no_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sessions", "--date", "2026-08-03"]) == 0
    printed = capsys.readouterr().out
    assert "continuous       09:15:00 to 15:15:00  recorded" in printed
    assert "post_close       15:50:00 to 16:00:00  not recorded" in printed


@pytest.mark.usefixtures("laptop")
def test_a_configuration_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["sessions", "--config", str(tmp_path / "none.json")]) == 2
    monkeypatch.setenv("HARVESTER_CONFIG", str(tmp_path / "none.json"))
    assert run(["sessions"]) == 2


@pytest.mark.usefixtures("laptop")
@pytest.mark.parametrize("day", ["2024-12-31", "2027-01-01", "2027-01-03", "1999-06-01"])
def test_a_date_outside_the_calendars_years_is_unknown(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sessions", "--date", day]) == 1
    printed = capsys.readouterr().out
    assert f"{day}: unknown. The calendar's facts are of 2025-01-01 to 2026-12-31." in printed
    assert "session" not in printed


@pytest.mark.usefixtures("laptop")
@pytest.mark.parametrize(("day", "provisional"), [("2026-11-08", True), ("2026-02-01", False), ("2026-08-03", False)])
def test_a_provisional_session_says_so(day: str, provisional: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sessions", "--date", day]) == 0
    assert ("provisional" in capsys.readouterr().out) is provisional


@pytest.mark.usefixtures("laptop")
def test_an_export_of_a_named_lake_needs_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lake").mkdir()
    output = ["--date", "2026-11-23", "--output", str(tmp_path / "out")]
    assert run(["export", "--csv", "--lake", str(tmp_path / "lake"), *output]) == 1
    assert "no closed day 2026-11-23" in capsys.readouterr().err
    assert run(["export", "--csv", *output]) == 2
    assert "--lake" in capsys.readouterr().err


def test_a_broken_calendar_of_the_configuration_fails_its_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import date

    calendar = make_calendar(tmp_path / "cal.json", date(2026, 8, 5), {"continuous": [["10:00", "11:00"]]})
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(tmp_path, calendar={"file": str(calendar)})))
    assert run(["config", "check", str(config)]) == 0

    calendar.write_text("{}")

    assert run(["config", "check", str(config)]) == 2
    assert "cal.json" in capsys.readouterr().err


def test_token_check_describes_and_never_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = make_token(4_000_000_000)
    monkeypatch.setattr(sys, "stdin", io.StringIO(token + "\n"))
    assert run(["token-check"]) == 0
    printed = capsys.readouterr().out
    assert "XX00000" in printed
    assert "2096-10-02" in printed
    assert token not in printed

    monkeypatch.setattr(sys, "stdin", io.StringIO("garbage-garbage"))
    assert run(["token-check"]) == 1
    assert "garbage" not in capsys.readouterr().err


def test_recover_has_nothing_to_do_on_an_empty_journal(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "data").mkdir()

    assert run(["recover", "--config", str(config)]) == 0
    assert "sealed: 0" in capsys.readouterr().out


def test_help_imports_no_command() -> None:
    probe = "import sys, harvester.cli as c\ntry: c.run(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()

    assert not {"msgspec", "httpx", "pyarrow", "harvester.config.settings", "harvester.config.file"} & set(modules)


def test_schema_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema"]) == 0
    assert capsys.readouterr().out.startswith("| key | type |")


def test_every_command_module_exists() -> None:
    for name in COMMANDS:
        module = import_module(f"harvester.commands.{name.replace('-', '_')}")
        assert callable(module.run)
        assert callable(module.add_arguments)
