"""Alert channels: one that is wrong or deaf never silences the ones beside it, and none shows its secret."""

import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harvester.alerts.channels import deliver, parse_channels
from harvester.alerts.message import Message, Severity
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from runbook.aws.archives import build

MESSAGE = Message(Severity.INFO, "test", "Log in for today's session", "Log in: ./inv token-push")
FUNCTIONS = Path(__file__).resolve().parents[2] / "files" / "functions"
PASSWORD = "canary-of-a-channel-77120"  # planted


def test_a_mistyped_line_does_not_silence_the_others(far_end: tuple[str, list[Any]]) -> None:
    address, heard = far_end
    lines = ["# people", f"tgramm://{PASSWORD}/12345", "", f"{address}/{PASSWORD}", f"json://127.0.0.1:9/{PASSWORD}"]

    deliveries = deliver(parse_channels(Secret("\n".join(lines))), MESSAGE)

    assert [message["title"] for message in heard] == [MESSAGE.title]
    assert [(delivery.channel, bool(delivery.problem)) for delivery in deliveries] == [
        ("tgramm", True),
        ("json", False),
        ("json", True),
    ]
    assert "alert channel 1 is no address that apprise knows" in deliveries[0].problem
    assert PASSWORD not in repr(deliveries)


def test_a_function_that_tells_people_needs_nothing_but_its_archive(
    far_end: tuple[str, list[Any]], tmp_path: Path
) -> None:
    archives = build(FUNCTIONS, tmp_path, [TradingCalendar.load()], date(2026, 11, 20))
    there = {name: zipfile.ZipFile(path).namelist() for name, path in archives.items()}
    carrying = {name for name, files in there.items() if "apprise/__init__.py" in files}
    assert carrying == {"reminder", "token-refresh"}
    assert {Path(name).suffix for name in there["reminder"]} == {".py", ".pem", ".json"}
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from harvester.alerts.channels import deliver, parse_channels\n"
        "from harvester.alerts.message import Message, Severity\n"
        "from harvester.base.redaction import Secret\n"
        "message = Message(Severity.INFO, 'test', 'A test', 'Nothing is wrong.')\n"
        "print([tuple(each) for each in deliver(parse_channels(Secret(sys.argv[2])), message)])\n"
        "files = [getattr(module, '__file__', None) or '' for module in list(sys.modules.values())]\n"
        "assert not [file for file in files if 'site-packages' in file], files\n"
    )
    address, heard = far_end
    zipfile.ZipFile(archives["reminder"]).extractall(tmp_path / "task")  # as Lambda does
    # Without site no package of this environment is on the path: only the standard library is.
    command = [sys.executable, "-S", "-E", "-c", script, str(tmp_path / "task"), address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.stdout.strip() == "[('json', '')]", done.stderr
    assert [message["title"] for message in heard] == ["A test"]


@pytest.mark.parametrize("line", [PASSWORD, "canarypassword77x", "123456:AAcanary77", "tgram:/AAcanary77"])
def test_a_secret_without_its_address_is_not_taken_for_a_kind(line: str) -> None:
    [delivery] = deliver(parse_channels(Secret(line)), MESSAGE)

    assert delivery.channel == "unknown"
    assert "canary" not in repr(delivery)


def test_no_line_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no alert channel"):
        parse_channels(Secret("# nobody\n\n"))
