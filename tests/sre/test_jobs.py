"""Jobs of a booted host: one that proves its work, one that ignores SIGTERM; who is told, and what the ledger says."""

import json
import time

from tests.sre.world import HOST, QUIET, World

LISTED = ("Still open: ", "Clear since ")


def test_a_job_runs_in_its_sandbox_is_proven_and_told_of_when_it_fails(world: World) -> None:
    world.host(QUIET)
    began = time.monotonic()

    world.host("systemctl start harvester-job-proves")
    failed = world.host("systemctl start harvester-job-stubborn", check=False)

    assert failed.returncode != 0
    [proven] = records(world, "proves")
    assert (proven["result"], proven["proof"], proven["cause"]) == ("ok", "3 rows", "")
    [killed] = records(world, "stubborn")
    assert killed["result"] == "timeout"
    assert killed["cause"] == "it did not end within 2 s, and ignored SIGTERM, so it was killed: busy"
    assert world.listen("The job stubborn failed\nit did not end within 2 s", began, 180) is not None
    # Messages of others list what is still open, or is over.
    lines = [line for each in world.heard if each.at >= began for line in each.text.splitlines()]
    assert len([line for line in lines if "stubborn failed" in line and not line.startswith(LISTED)]) == 1
    assert "harvester-job-proves.timer" in world.host("systemctl list-timers --no-pager harvester-job-*").stdout
    world.host("systemctl reset-failed harvester-job-stubborn")


def test_the_ledger_of_a_host_is_one_table_at_the_laptop(world: World) -> None:
    said = world.here("./inv due --json")

    [answer] = json.loads(said.output)
    assert (answer["host"], answer["error"]) == (HOST, None)
    assert {entry["state"] for entry in answer["entries"]} <= {"waiting", "met", "partial", "missing", "excused"}


def records(world: World, name: str) -> list[dict[str, str]]:
    lines = world.host(f"cat /var/lib/harvester/jobs/{name}/*.jsonl").stdout.splitlines()
    return [json.loads(line) for line in lines]
