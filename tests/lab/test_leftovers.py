"""Nothing of a lab is left behind, however it ended, and nothing of anybody else's is touched."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from lab import claims, faults, labs, network
from lab.claims import HostClaim
from lab.errors import LabError
from lab.garbage import collect_garbage
from lab.labs import HostWish
from lab.machine import process_start
from lab.network import UPLINK
from lab.testing import LAB, leftovers

WISH = HostWish("gone")
Figure = Callable[..., None]


@pytest.fixture
def somebody_elses() -> Iterator[list[Path]]:
    """A namespace and a control group with names like ours that are not ours."""
    name = f"ah-of-somebody-else-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    group = Path("/sys/fs/cgroup/unified" if Path("/sys/fs/cgroup/unified").is_dir() else "/sys/fs/cgroup") / name
    group.mkdir()
    yield [Path("/run/netns") / name, group]
    group.rmdir()
    subprocess.run(["ip", "netns", "del", name], check=True)


def start_and_kill(state: Path, after_seconds: float, *arguments: str) -> None:
    process = subprocess.Popen(
        [LAB, "--state", state, "up", "--name", "gone", *arguments], stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after_seconds)
    process.kill()
    process.wait()


def test_down_removes_everything_and_is_idempotent(remove_afterwards: Path, figure: Figure) -> None:
    state = remove_afterwards
    before = leftovers()
    labs.bring_up(state, [WISH], print, wanted=())

    started = time.monotonic()
    assert labs.bring_down(state)
    figure("lab_down_s", round(time.monotonic() - started, 2), bound="<= 5", unit="s")

    assert not labs.bring_down(state)
    assert leftovers() - before == set()
    assert not state.exists()


@pytest.mark.parametrize("cure", ["down", "gc"])
def test_sigkill_of_up_at_any_moment_leaves_nothing_after_down_or_gc(
    remove_afterwards: Path, cure: str, somebody_elses: list[Path], figure: Figure, request: pytest.FixtureRequest
) -> None:
    state = remove_afterwards
    moments = random.Random(cure)
    kills = 25 if request.config.getoption("--long") else 3
    before = leftovers()
    left: set[str] = set()

    for _ in range(kills):
        start_and_kill(state, moments.uniform(0.5, 2.5), "--without", "exchange", "--without", "moto")
        subprocess.run([LAB, "--state", state, cure], check=True, stderr=subprocess.DEVNULL)
        if claims.find_lab(state):  # it had come up before the kill
            labs.bring_down(state)
        left |= leftovers() - before
        assert not state.exists()

    figure(f"left_by_sigkills_of_up_then_{cure}", len(left), bound="== 0", unit="things")
    assert left == set()
    assert all(path.exists() for path in somebody_elses)


def test_gc_removes_a_lab_whose_folder_vanished_and_spares_a_lab_in_use(remove_afterwards: Path) -> None:
    state = remove_afterwards
    other = state.with_name("other")
    before = leftovers()
    labs.bring_up(state, [WISH], print, wanted=())
    labs.bring_up(other, [WISH], print, wanted=())

    subprocess.run(["rm", "-r", state], check=True)
    collect_garbage()

    assert claims.find_lab(state) is None
    assert [host.name for host in claims.find_hosts(other)] == ["gone"]
    assert labs.bring_up(other, [WISH], print, wanted=()) == []
    labs.bring_down(other)
    assert leftovers() - before == set()


def test_host_that_is_gone_takes_its_faults_along_while_another_lab_goes_on(remove_afterwards: Path) -> None:
    state, other = remove_afterwards, remove_afterwards.with_name("other")
    before = leftovers()
    labs.bring_up(other, [], print, wanted=())
    labs.bring_up(state, [HostWish("gone", disk_path="/srv/disk", disk_bytes=32 << 20)], print, wanted=())
    host = labs.find_host(state, "gone")

    faults.lose_packets(host, 20)
    faults.slow_down(host, 256)
    faults.fill_disk(host)
    labs.bring_down(state)

    left = leftovers() - before
    labs.bring_down(other)
    assert left == set()


def test_network_of_a_host_is_removed_at_once_each_time(remove_afterwards: Path) -> None:
    labs.bring_up(remove_afterwards, [], print, wanted=())
    with claims.locked():
        number = claims.free_number("hosts")
        claim = HostClaim(number=number, state=remove_afterwards, base=Path("/"), **asdict(WISH))
        claims.save(claim)

    for _ in range(50):
        network.connect_host(claim)
        network.disconnect_host(number)
        network.disconnect_host(number)  # gone already

    assert number not in network.connected_numbers()


def test_removal_that_fails_for_another_reason_is_an_error() -> None:
    with pytest.raises(LabError, match="Invalid netns name"):
        network.remove_namespace("../of-somebody-else")


def test_taking_one_lab_down_leaves_another_its_address(remove_afterwards: Path) -> None:
    first, second = remove_afterwards, remove_afterwards.with_name("second")
    before = leftovers()
    labs.bring_up(first, [], print, wanted=())
    labs.bring_up(second, [], print, wanted=())
    kept = claims.find_lab(second)
    assert kept is not None

    labs.bring_down(first)

    shown = subprocess.run(["ip", "addr", "show", UPLINK], capture_output=True, text=True, check=True).stdout
    assert f"{kept.address}/24" in shown
    labs.bring_down(second)
    assert leftovers() - before == set()


def test_stand_in_ends_with_the_lab_even_when_its_record_is_lost(remove_afterwards: Path) -> None:
    state = remove_afterwards
    before = leftovers()
    labs.bring_up(state, [], print, wanted=["moto"])
    lab = claims.find_lab(state)
    assert lab is not None
    record = lab.folder / "moto.json"
    pid = json.loads(record.read_text())["pid"]

    record.unlink()
    labs.bring_down(state)

    assert process_start(pid) is None
    assert leftovers() - before == set()


def test_up_refuses_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    refused = subprocess.run([LAB, "--state", tmp_path, "up"], capture_output=True, text=True, check=False)
    subprocess.run([LAB, "--state", tmp_path, "down"], check=True, stderr=subprocess.DEVNULL)

    assert refused.returncode == 2
    assert "not a lab's folder" in refused.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.long
def test_killed_build_of_a_base_tree_leaves_no_mounts_and_no_tree(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    build = subprocess.Popen([LAB, "base", "trixie"], env=environment, stderr=subprocess.PIPE, text=True)
    assert build.stderr is not None
    for line in build.stderr:
        if "installing remaining packages" in line:
            break

    build.send_signal(signal.SIGKILL)
    build.wait()
    subprocess.run([LAB, "gc"], env=environment, check=True)

    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert not [path.name for path in (tmp_path / "alpha-harvester" / "bases").iterdir() if path.is_dir()]
