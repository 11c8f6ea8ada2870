"""Eight jobs of a booted host: ledger, messages and all-clears exact; what is refused; what leaves the list."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.jobs.conftest import LIST
from tests.sre.world import World, repeat_until

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone

GOOD = ("steady", "proven", "alone", "discreet")
CAUSES = {
    "hangs": "timeout: it did not end within 5 s",
    "crashes": "failed: it was ended by signal 11",
    "stubborn": "timeout: it did not end within 5 s, and ignored SIGTERM, so it was killed",
    "fills": "failed: it ended with 1: ",
}
PASSWORD = "correct-horse-battery"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def prepared(world: World) -> Iterator[None]:
    """The secret that one job has; the jobs' first minutes are behind them."""
    world.host(f"echo {PASSWORD} >/etc/harvester-test-password && chmod 0600 /etc/harvester-test-password")
    yield


def records(world: World, *names: str) -> list[dict[str, Any]]:
    """In one connection: the firewall counts new ones."""
    files = " ".join(f"/var/lib/harvester/jobs/{name}/*.jsonl" for name in names)
    return [json.loads(line) for line in world.host(f"cat {files}", check=False).stdout.splitlines()]


def due(world: World) -> list[dict[str, Any]]:
    """The ledger of today and, around midnight in India, of yesterday."""
    today = datetime.now(zone()).date()
    answers = [
        world.host(f"/opt/harvester/current/bin/harvester due --json --date {day}", check=False)
        for day in (today - timedelta(days=1), today)
    ]
    # The lab's calendar may know nothing of yesterday.
    return [entry for answer in answers if answer.stdout.strip() for entry in json.loads(answer.stdout)["entries"]]


def test_four_that_fail_hurt_none_of_the_others_and_each_is_accounted_for_and_told_once(world: World) -> None:
    since = time.time_ns()
    for _ in range(60):
        time.sleep(15)
        runs = Counter(each["job"] for each in records(world, *GOOD, *CAUSES) if each["began_ns"] >= since)
        if all(runs[name] >= 3 for name in (*GOOD, *CAUSES)):
            break
    assert all(runs[name] >= 3 for name in (*GOOD, *CAUSES)), runs
    until = max(record["began_ns"] for record in records(world, "steady")) - 120 * NS_PER_SECOND

    # What is judged for good: its time and its limit are over.
    entries = [each for each in due(world) if since <= each["due_ns"] and each["due_ns"] <= until]
    judged = {name: [each for each in entries if each["name"] == name] for name in (*GOOD, *CAUSES)}
    assert all(judged.values())
    for name in GOOD:
        assert {each["state"] for each in judged[name]} <= {"met"}, judged[name]
    for name, cause in CAUSES.items():
        assert {each["state"] for each in judged[name]} <= {"waiting", "missing"}, judged[name]
        assert all(each["cause"].startswith(cause) for each in judged[name]), judged[name]
    assert [each["cause"] for each in judged["fills"] if "No space left on device" not in each["cause"]] == []
    told = [message.text for message in world.heard]
    failed = Counter(name for text in told for name in CAUSES if f"The job {name} failed" in text)
    assert failed == Counter(dict.fromkeys(CAUSES, 1))
    assert not [text for text in told if any(f"The job {name} failed" in text for name in GOOD)]
    assert not [text for text in told if "did not come" in text]


def test_no_secret_of_a_job_is_in_its_log_or_records(world: World) -> None:
    log = world.host("journalctl --unit harvester-job-discreet --output cat").stdout

    assert "the password is [redacted]" in log
    assert PASSWORD not in log + world.host("cat /var/lib/harvester/jobs/discreet/*").stdout


def test_a_run_that_is_killed_with_its_unit_has_a_record_and_is_told(world: World) -> None:
    world.host(
        "while ! [ -e /var/lib/harvester/jobs/hangs/running.json ]; do sleep 0.2; done;"
        " systemctl kill --kill-whom=main --signal=KILL harvester-job-hangs"
    )

    killed, _ = repeat_until(lambda: [one for one in records(world, "hangs") if one["result"] == "killed"], 60)
    assert killed[-1]["cause"] == "it ended without a word (signal, killed KILL)"


def test_when_they_are_well_again_each_is_cleared_once(world: World) -> None:
    began, before = time.monotonic(), len(world.heard)
    world.host("touch /srv/well")

    def cleared() -> Counter[str]:
        texts = [message.text for message in world.heard[before:]]
        lines = [line for text in texts for line in text.splitlines() if line.startswith("Clear since")]
        return Counter(found[1] for line in lines if (found := re.search(r"harvester-job-(\w+)\.service", line)))

    done, _ = repeat_until(lambda: set(cleared()) >= set(CAUSES), 600)
    assert done, [message.text for message in world.heard if message.at >= began]
    assert cleared() == Counter(dict.fromkeys(CAUSES, 1))


BAD = {
    "two of one name": ({"name": "steady", "when": "16:00", "command": ["true"]}, "jobs names twice: steady"),
    "no schedule": (
        {"name": "x", "when": "at noon", "command": ["true"]},
        "jobs[8].when: is no schedule: write open-10m",
    ),
    "a built-in name": ({"name": "close", "when": "16:00", "command": ["true"]}, "close is the name of a built-in job"),
    "no such user": (
        {"name": "x", "when": "16:00", "command": ["true"], "user": "nobody-here"},
        "The job x is to run as nobody-here, and h1 has no such user.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_list_is_refused_in_a_sentence_and_the_host_keeps_its_jobs(case: str, world: World) -> None:
    entry, says = BAD[case]
    before = world.host("cat /etc/harvester/jobs.json; ls /etc/systemd/system/harvester-job-*").stdout

    refused = deploy(world, [*yaml.safe_load(LIST.read_text("utf-8"))["jobs"], entry])

    assert refused.code != 0
    assert says in " ".join(refused.output.split())
    assert world.host("cat /etc/harvester/jobs.json; ls /etc/systemd/system/harvester-job-*").stdout == before


def test_what_leaves_the_list_loses_its_units_and_a_second_run_changes_nothing(world: World) -> None:
    first = deploy(world, yaml.safe_load(LIST.read_text("utf-8"))["jobs"][:2])
    second = deploy(world, yaml.safe_load(LIST.read_text("utf-8"))["jobs"][:2])

    assert (first.code, second.code) == (0, 0), first.output[-3000:]
    assert re.search(r"changed=0 ", second.output)
    units = world.host("cd /etc/systemd/system && ls harvester-job-*").stdout.split()
    assert units == [f"harvester-job-{name}.{kind}" for name in ("proven", "steady") for kind in ("service", "timer")]
    assert records(world, "crashes")


def deploy(world: World, jobs: list[dict[str, Any]]) -> Any:
    """`ansible-playbook --tags jobs` with this list."""
    path = Path(world.state).parent / "list.json"
    path.write_text(json.dumps({"jobs": jobs}))
    return world.here(f"ansible-playbook playbooks/configure.yml --tags jobs --extra-vars @{path}")
