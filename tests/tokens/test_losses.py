"""People hear the same morning of a symbol that is gone, with its successor, and of an account that is blocked."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.field.alerting import good
from tests.recorder.fakes import make_config

from harvester.alerts.losses import other_losses
from harvester.alerts.message import Severity
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.cli import run

GONE = "NSE:TATAMOTORS-EQ is not in the broker's symbol master of 2026-11-24: renamed. Its successor is NSE:TMPV-EQ"
HOUR = 3600 * NS_PER_SECOND


def status(**changes: Any) -> dict[str, Any]:
    now_ns = SystemClock().wall_ns()
    return {"written_at_ns": now_ns, "token": {"state": "ok", "expires_at_ns": now_ns + 24 * HOUR}, **changes}


def test_a_well_recorder_has_nothing_to_tell() -> None:
    assert other_losses(status(), 0, "h1") == []


def test_a_block_says_until_when_and_is_over_then() -> None:
    until_ns = 1_785_954_600 * NS_PER_SECOND  # 2026-08-06 00:00 in India

    [message] = other_losses(status(blocked_until_ns=until_ns), until_ns - HOUR, "h1")

    assert message.severity == Severity.CRITICAL
    assert "2026-08-06 00:00 IST" in message.title
    assert other_losses(status(blocked_until_ns=until_ns), until_ns, "h1") == []


@pytest.fixture
def config(tmp_path: Path, far_end: tuple[str, list[Any]]) -> Path:
    channels = tmp_path / "channels"
    channels.write_text(far_end[0])
    channels.chmod(0o600)
    (tmp_path / "inbox").mkdir()
    alerts = {"channels": f"file:{channels}", "memory": str(tmp_path / "memory"), "inbox": str(tmp_path / "inbox")}
    alerts |= {"log_dir": str(tmp_path), "ports": str(tmp_path / "ports")}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(make_config(tmp_path, alerts=alerts, status_file=str(tmp_path / "status.json"))))
    return path


def test_it_is_told_once(tmp_path: Path, config: Path, far_end: tuple[str, list[Any]]) -> None:
    (tmp_path / "status.json").write_text(
        json.dumps(good(SystemClock().wall_ns(), lost_symbols={"NSE:TATAMOTORS-EQ": GONE}))
    )

    for _ in range(3):
        assert run(["send-alerts", "--config", str(config)]) == 0

    told = [each for each in far_end[1] if "NSE:TMPV-EQ" in json.dumps(each)]
    assert len(told) == 1
