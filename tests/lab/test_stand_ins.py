"""The lab's outside world as a host sees it, and the inventory that Ansible gets of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import claims, labs
from lab.labs import HostWish
from lab.stand_ins import Name, find_running
from lab.testing import RunningLab


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One host with moto and the exchange beside it."""
    state = tmp_path_factory.mktemp("worlds") / "lab"
    try:
        started = labs.bring_up(state, [HostWish("h1")], print)
        yield RunningLab(state, {entry.host.name: entry for entry in started})
    finally:
        labs.bring_down(state)


def ask_inventory(root: Path, state: Path) -> dict[str, Any]:
    listing = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "--inventory", "inventory/lab", "--list"],
        cwd=root,
        env={**os.environ, "LAB_STATE": str(state)},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(listing.stdout)
    return answer


def test_host_trusts_the_exchange_under_the_broker_names(world: RunningLab) -> None:
    ask = "curl --silent --max-time 5 --output /dev/null --write-out '%{http_code} %{remote_ip}' https://"
    lab = claims.find_lab(world.state)
    assert lab is not None

    for name in ("api-t1.fyers.in", "public.fyers.in"):
        code, address = world.ssh("h1", ask + name).stdout.split()
        assert address == lab.address
        assert int(code) > 0


def test_host_reaches_moto(world: RunningLab) -> None:
    lab = claims.find_lab(world.state)
    assert lab is not None

    code = world.ssh("h1", f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' http://{lab.address}:5000/moto-api/").stdout

    assert code == "200"


def test_ansible_reaches_the_host_through_the_inventory(world: RunningLab, root: Path) -> None:
    ping = subprocess.run(
        [Path(sys.executable).with_name("ansible"), "harvesters", "--inventory", "inventory/lab", "-m", "ping", "-b"],
        cwd=root,
        env={**os.environ, "LAB_STATE": str(world.state)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ping.returncode == 0, ping.stdout + ping.stderr


def test_inventory_knows_the_app_that_the_exchange_made_up(world: RunningLab, root: Path) -> None:
    app = json.loads((world.state / "exchange" / "app.json").read_bytes())

    variables = ask_inventory(root, world.state)["_meta"]["hostvars"]["h1"]

    assert variables["lab_app_id"] == app["app_id"]
    assert variables["ansible_host"] == world.started["h1"].host.address


def test_inventory_without_a_lab_lists_a_host_that_cannot_be_reached(tmp_path: Path, root: Path) -> None:
    variables = ask_inventory(root, tmp_path / "none")["_meta"]["hostvars"]

    assert list(variables) == ["h1"]
    assert variables["h1"]["ansible_host"].endswith(".invalid")


def test_exchange_and_moto_listen_on_the_lab_address_alone(world: RunningLab) -> None:
    lab = claims.find_lab(world.state)
    assert lab is not None
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()

    ports: dict[Name, int] = {"exchange": 443, "moto": 5000}
    for name, port in ports.items():
        running = find_running(lab, name)
        assert running is not None
        own = {line.split()[3] for line in listening if f"pid={running.pid}," in line}
        assert {address for address in own if not address.startswith("127.0.0.1:")} == {f"{lab.address}:{port}"}
