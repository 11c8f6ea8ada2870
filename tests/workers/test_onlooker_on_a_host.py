"""A booted host that watches and records nothing: built by site.yml with neither symbols nor a broker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios import changes, lab_machine
from tests.sre.world import CHANNELS, REGION, World, build, repeat_until

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
SETTINGS = f"""\
harvester_records: false
harvester_settings: {{alerts: {{channels: "ssm:{CHANNELS}", region: {REGION}}}}}
overseer_settings: {{workers: [{{name: colab, mailbox: /srv/box}}]}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with build(Path(__file__).resolve().parents[2], tmp_path_factory.mktemp("onlooker"), SETTINGS) as world:
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


def test_a_second_run_changes_nothing_and_a_check_passes(world: World) -> None:
    for more in ("", " --check --diff"):
        said = world.here(f"ansible-playbook site.yml{more}")
        assert said.code == 0 and changes(said.output) == 0, said.output[-9000:]
