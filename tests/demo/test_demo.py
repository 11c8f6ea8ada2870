"""The main job on a booted host, and what an operator does with it afterwards; one host serves all cases, in order."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.ops.inventory import program
from harvester.ops.playbook import environment
from lab.testing import leftovers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="booting a host takes root")
SESSION_SECONDS = 40
INTERVAL_SECONDS = 2


def invoke(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("invoke"), *words], cwd=root, capture_output=True, text=True, check=False)


def run_playbook(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """ansible-playbook as the runbook's commands run it: with mitogen where it is installed."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder) / "failures")
        command = [program("ansible-playbook"), *words]
        return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The summary of a demonstration whose lab is left running for the cases of this file."""
    root = request.config.rootpath
    target = tmp_path_factory.mktemp("demo") / "summary.json"
    result = invoke(root, "demo", "--seconds", str(SESSION_SECONDS), "--summary", str(target))
    try:
        assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-4000:]
        yield json.loads(target.read_text("utf-8"))
    finally:
        invoke(root, "lab-down")


def test_every_expected_poll_is_data_or_in_the_ledger(demo: dict[str, Any], figure: Any) -> None:
    expected = SESSION_SECONDS // INTERVAL_SECONDS
    for row in demo["symbols"].values():
        assert row["expected"] == expected
        assert row["recorded"] + sum(row["gaps"].values()) == expected
    figure("unexplained_polls", demo["unexplained"], bound="== 0", unit="polls", gate=True)
    figure("coverage", demo["updates"] / demo["expected"], bound=">= 0.95", unit="share", gate=True)
    figure("demo_set_up_s", sum(list(demo["seconds"].values())[:3]), bound="<= 90", unit="s")
    figure("demo_total_s", sum(demo["seconds"].values()), bound="<= 300", unit="s")


def test_every_moment_of_the_sockets_is_data_or_in_the_ledger(demo: dict[str, Any], figure: Any) -> None:
    figure("unexplained_stream_ns", demo["unexplained_stream_ns"], bound="== 0", unit="ns", gate=True)
    covered = [stream["coverage"] for feeds in demo["streams"].values() for stream in feeds.values()]
    figure("socket_coverage", min(covered), bound=">= 0.95", unit="share", gate=True)
    levels = {symbol: set(feeds) for symbol, feeds in demo["streams"].items()}
    assert all("fyers-hsm" in feeds for feeds in levels.values())
    assert sum("fyers-tbt" in feeds for feeds in levels.values()) == 1
    assert set(levels) == set(demo["symbols"])


def test_what_the_exchange_served_came_home(demo: dict[str, Any], figure: Any) -> None:
    figure("served_and_not_recorded", demo["exchange"]["missing"], bound="== 0", unit="answers", gate=True)
    figure("recorded_and_never_served", demo["exchange"]["foreign"], bound="== 0", unit="answers", gate=True)
    figure("frames_sent_and_not_recorded", demo["sockets"]["missing"], bound="== 0", unit="frames", gate=True)
    figure("frames_recorded_and_never_sent", demo["sockets"]["foreign"], bound="== 0", unit="frames", gate=True)
    assert set(demo["sdk"]["books"]) == set(demo["symbols"])


def test_the_files_are_here_with_their_hashes(demo: dict[str, Any], root: Path) -> None:
    kinds = {Path(file["path"]).parts[0] for file in demo["files"]}
    assert kinds >= {"depth", "quotes", "depth50", "bars", "gaps", "raw"}
    for file in demo["files"]:
        content = (root / demo["lake"] / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_a_second_site_run_changes_nothing(demo: dict[str, Any], root: Path, figure: Any) -> None:
    began = time.monotonic()
    result = run_playbook(root, "site.yml")
    seconds = round(time.monotonic() - began, 1)

    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
    changed = sum(int(count) for count in re.findall(r"changed=(\d+)", result.stdout))
    figure("second_run_changed", changed, bound="== 0", unit="tasks", gate=True)
    figure("second_run_s", seconds, bound="<= 15", unit="s")


def test_the_operator_sees_a_healthy_host(demo: dict[str, Any], root: Path) -> None:
    result = invoke(root, "status", "--json")

    assert result.returncode == 0, result.stdout + result.stderr
    assert [answer["healthy"] for answer in json.loads(result.stdout)] == [True]


def test_a_second_pull_brings_nothing_again(demo: dict[str, Any], root: Path) -> None:
    output = str(Path(demo["lake"]).parent)
    before = {path: path.stat().st_mtime_ns for path in (root / demo["lake"]).rglob("*") if path.is_file()}

    result = invoke(root, "pull-data", "--raw", "--output", output)

    assert result.returncode == 0, result.stdout + result.stderr
    assert {path: path.stat().st_mtime_ns for path in (root / demo["lake"]).rglob("*") if path.is_file()} == before


def test_the_lake_answers_in_sql(demo: dict[str, Any], root: Path) -> None:
    question = "select symbol, feed, count(*) n from depth group by all"
    result = invoke(root, "query", question, "--json", "--lake", demo["lake"])

    assert result.returncode == 0, result.stderr
    found = {(row["symbol"], row["feed"]): row["n"] for row in json.loads(result.stdout)}
    polled = {(symbol, "fyers-rest"): row["updates"] for symbol, row in demo["symbols"].items()}
    streamed = {(symbol, "fyers-hsm"): row["fyers-hsm"]["updates"]["depth"] for symbol, row in demo["streams"].items()}
    assert found == polled | streamed


def test_the_clean_up_plan_takes_nothing_of_the_newest_days(demo: dict[str, Any], root: Path) -> None:
    result = invoke(root, "cleanup", "--dry-run", "--output", str(Path(demo["lake"]).parent))

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_restart_is_accounted_for(demo: dict[str, Any], root: Path) -> None:
    assert invoke(root, "restart").returncode == 0
    assert invoke(root, "status").returncode == 0


def test_the_lab_goes_without_a_trace(demo: dict[str, Any], root: Path) -> None:
    assert invoke(root, "lab-down").returncode == 0

    assert not (root / ".lab").exists()
    assert leftovers() == set()
