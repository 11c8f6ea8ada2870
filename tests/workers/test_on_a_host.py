"""The roles rclone and overseer on a booted host: the look, the door, the jobs, a second run, and what is measured."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios import RECAP, changes, lab_machine
from tests.sre.memory import MIB, limit_of, table, watched
from tests.sre.world import HOST, World, build, repeat_until

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
TOKEN = "t" * 64
SETTINGS = """\
jobs: []
rclone_remotes: {{box: {{type: alias, remote: /var/lib/harvester/workers/.box}}}}
rclone_secrets: {{box: {{description: "file:/var/lib/harvester-overseer/word"}}}}
overseer_settings:
  workers:
    - {{name: folder, mailbox: /srv/box}}
    - {{name: remote, mailbox: "box:"}}
overseer_door: true
overseer_door_tokens_file: {tokens}
overseer_sync: [{{name: logs-down, from: "box:", to: /srv/copies}}]
overseer_training: harvester-recorder-is-not-it
"""
PREPARED = """
mkdir -p /srv/box /srv/copies && chown harvester-overseer /srv/box /srv/copies
install -o harvester-overseer -g harvester-overseer -m 600 /dev/stdin /var/lib/harvester-overseer/word <<E
word
E
"""
"""What a person does on the host once the role has made the user."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("overseer")
    tokens = folder.parent / "worker-tokens"
    tokens.write_text(f"folder {TOKEN}\n")
    with build(Path(__file__).resolve().parents[2], folder, SETTINGS.format(tokens=tokens), checked=True) as world:
        world.host(PREPARED)
        yield world
    tokens.unlink()


def seen(world: World) -> dict[str, dict[str, Any]]:
    """What `harvester workers show` says of each."""
    said = world.host("harvester workers show --json")
    return {row["name"]: row for row in json.loads(said.stdout)["workers"]}


def status(step: int) -> str:
    return json.dumps({"timestamp": datetime.now(UTC).isoformat(), "iteration": step})


def test_the_timer_looks_at_each_worker_and_writes_its_heartbeat(world: World) -> None:
    world.host(f"printf '%s' '{status(1)}' >/srv/box/colab_status.json")
    world.host(
        "cd /var/lib/harvester/workers && install -d -o harvester-overseer -g harvester -m 2750 .box"
        " && install -o harvester-overseer -g harvester -m 640 /srv/box/colab_status.json .box"
    )
    found, _ = repeat_until(lambda: {row["state"] for row in seen(world).values()} == {"alive"}, 300)
    assert found, world.host("journalctl -u harvester-workers --no-pager | tail -30", check=False).stdout
    for box in ("/srv/box", "/var/lib/harvester/workers/.box"):
        assert json.loads(world.host(f"cat {box}/linux_heartbeat.json").stdout)["status"]
    conf = world.host(
        "cat /var/lib/harvester/rclone/rclone.conf; stat -c '%U %a' /var/lib/harvester/rclone/rclone.conf"
    )
    assert "description = word\n" in conf.stdout and "harvester-overseer 600\n" in conf.stdout


def test_the_door_takes_a_report_on_loopback_alone_and_the_next_look_answers_it(world: World) -> None:
    report = {"notebook_id": "n", "error_type": "ConnectionError", "error_message": "Connection refused"}
    report |= {"stacktrace": "", "iteration": 3, "timestamp": datetime.now(UTC).isoformat()}
    world.host("""awk '{print "X-API-Token: " $2}' /etc/harvester/worker-tokens >/run/header""")
    ask = "curl -s -X POST -H @/run/header --data-binary @- http://127.0.0.1:5001/report_error"
    said = world.host(f"{ask} <<'E'\n{json.dumps(report)}\nE")
    assert json.loads(said.stdout) == {"status": "ok", "action": "repair_triggered"}
    listens = world.host("ss -Hltn 'sport = :5001'").stdout.split()
    assert listens[3] == "127.0.0.1:5001"
    world.host("systemctl start harvester-workers")
    signal = json.loads(world.host("cat /srv/box/restart_requested.json").stdout)
    assert signal["reason"] == "CONNECTION"
    assert TOKEN not in world.host("journalctl --no-pager; cat /proc/*/cmdline /proc/*/environ", check=False).stdout


def test_the_jobs_of_this_user_run_and_are_due(world: World) -> None:
    for name in ("status-report", "sync-logs-down"):
        done = world.host(
            f"/opt/harvester/current/bin/harvester job now {name} && systemctl start harvester-job-{name}", check=False
        )
        assert done.returncode == 0, world.host(f"journalctl -u harvester-job-{name} --no-pager | tail").stdout
    report = json.loads(world.host("cat /var/lib/harvester/workers/infrastructure_status.json").stdout)
    assert {"timestamp", "uptime", "disk_free_gb"} <= set(report)
    assert "colab_status.json" in world.host("ls /srv/copies").stdout
    done = world.host("systemctl start harvester-job-training-check", check=False)
    assert done.returncode != 0, "there is no such process"


def test_a_second_run_changes_nothing_and_a_check_passes(world: World) -> None:
    for more in ("", " --check --diff"):
        said = world.here(f"ansible-playbook site.yml{more}")
        assert said.code == 0 and RECAP.search(said.output), said.output[-4000:]
        assert changes(said.output) == 0, said.output[-9000:]


def test_what_a_look_and_the_door_take_of_memory(world: World, figure: Callable[..., None]) -> None:
    group = world.lab.host(HOST).group
    folder = limit_of(group)
    if folder is None:
        pytest.skip("this machine enforces no memory limit on a group of processes (cgroup v1, memory)")
    with watched(group, folder) as peaks:
        for _ in range(2):  # its limit is three starts in a minute
            world.host("systemctl start harvester-workers harvester-job-sync-logs-down")
    print(table(peaks))
    for unit in ("harvester-workers.service", "harvester-worker-door.service", "harvester-job-sync-logs-down.service"):
        figure(f"rss_{unit.removesuffix('.service')}", round(peaks.units[unit][0] / MIB), bound="<= 192", unit="MiB")
    assert peaks.killed == 0, table(peaks)
