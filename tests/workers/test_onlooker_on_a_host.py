"""A booted host that watches and records nothing: built by site.yml with neither symbols nor a broker."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios import changes, lab_machine
from tests.sre.memory import MIB, limit_of, table, watched
from tests.sre.world import CHANNELS, HOST, REGION, World, build, repeat_until

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
SETTINGS = f"""\
harvester_records: false
harvester_settings: {{alerts: {{channels: "ssm:{CHANNELS}", region: {REGION}}}}}
overseer_settings: {{workers: [{{name: colab, mailbox: /srv/box}}]}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with build(
        Path(__file__).resolve().parents[2], tmp_path_factory.mktemp("onlooker"), SETTINGS, checked=True
    ) as world:
        world.host("mkdir -p /srv/box && chown harvester-overseer /srv/box")
        yield world


def test_it_has_no_recorder_and_is_well(world: World) -> None:
    units = world.host("systemctl list-unit-files --no-legend 'harvester-*' | cut -d' ' -f1").stdout.split()
    assert "harvester-workers.timer" in units and "harvester-alert.timer" in units
    assert not {"harvester-recorder.service", "harvester-token-agent.service", "harvester-close.timer"} & set(units)

    def health() -> "dict[str, Any]":
        return dict(json.loads(world.host("/opt/harvester/libexec/any-release health --json", check=False).stdout))

    def wrong() -> "list[str]":
        return [check["name"] for check in health()["checks"] if not check["ok"]]

    # The lab's disk is small, and its channel may not have been tried yet.
    found, _ = repeat_until(lambda: set(wrong()) <= {"space", "channels"}, 240)
    assert found, health()
    assert "h1" in world.here("./inv status").output


def test_a_person_sees_to_a_worker(world: World) -> None:
    looked, _ = repeat_until(
        lambda: "colab: alive" in world.host("harvester workers show; true", check=False).stdout, 240
    )
    assert looked
    said = world.here("./inv workers")
    assert said.code == 0 and "colab" in said.output
    assert world.here("./inv worker colab --restart").output.startswith(
        "colab: restart_requested.json is in its mailbox"
    )
    assert world.here("./inv due").code in (0, 3)


def test_a_timer_that_does_not_wait_is_told_and_start_sees_to_it(world: World) -> None:
    world.host("systemctl stop harvester-workers.timer")

    def timers() -> "dict[str, Any]":
        said = world.host("/opt/harvester/libexec/any-release health --json", check=False).stdout
        return next(check for check in json.loads(said)["checks"] if check["name"] == "timers")

    told, _ = repeat_until(lambda: not timers()["ok"], 240)
    assert told and "harvester-workers.timer does not wait" in timers()["detail"] and timers()["fix"] == "./inv start"
    said = world.here("./inv start")
    assert said.code == 0, said.output
    assert world.host("systemctl is-active harvester-workers.timer").stdout == "active\n"
    again, _ = repeat_until(lambda: bool(timers()["ok"]), 240)
    assert again, timers()


def test_all_that_it_runs_fits_a_host_of_512_mib(world: World, figure: Callable[..., None]) -> None:
    group = world.lab.host(HOST).group
    folder = limit_of(group)
    if folder is None:
        pytest.skip("this machine enforces no memory limit on a group of processes (cgroup v1, memory)")
    with watched(group, folder, 512 * MIB) as peaks:
        for _ in range(2):  # at once, which their timers avoid
            world.host("systemctl start harvester-workers harvester-alert harvester-watch")
    print(table(peaks))
    ours = [pss for unit, (_, pss) in peaks.units.items() if unit.startswith("harvester-")]
    figure("pss_of_our_units_mib", round(sum(ours) / MIB), bound="<= 384", unit="MiB")
    figure("host_not_reclaimable_mib", round(peaks.host / MIB), bound="<= 512", unit="MiB")
    assert peaks.killed == 0 and ours, table(peaks)


def test_a_second_run_changes_nothing_and_a_check_passes(world: World) -> None:
    for more in ("", " --check --diff"):
        said = world.here(f"ansible-playbook site.yml{more}")
        assert said.code == 0 and changes(said.output) == 0, said.output[-9000:]


def test_taken_out_of_its_inventory_it_watches_nobody_and_is_well(world: World) -> None:
    gone = "ansible-playbook site.yml -e '{\"overseer_settings\": {}}'"
    checked = world.here(f"{gone} --check --diff")
    assert checked.code == 0 and "h1 would watch no workers any more" in " ".join(checked.output.split())
    assert world.host("systemctl is-active harvester-workers.timer").stdout == "active\n"

    said = world.here(gone)

    assert said.code == 0, said.output[-9000:]
    assert "h1 watches no workers any more" in " ".join(said.output.split())
    units = world.host("systemctl list-units --all --no-legend 'harvester-worker*'; ls /etc/systemd/system").stdout
    assert "harvester-worker" not in units, units
    assert (
        world.host("ls /etc/harvester/overseer.json /opt/harvester/installed.d/overseer.json", check=False).stdout == ""
    )
    assert "colab" not in world.host("/opt/harvester/current/bin/harvester due --json").stdout
    health = json.loads(world.host("/opt/harvester/libexec/any-release health --json", check=False).stdout)
    assert next(check for check in health["checks"] if check["name"] == "timers")["ok"]
    again = world.here(gone)
    assert again.code == 0 and changes(again.output) == 0, again.output[-9000:]
