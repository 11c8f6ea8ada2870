"""Hosts of tier B, with a kernel of their own: limits that bite, swap, the clock, a power cut. Takes minutes."""

import time
from collections.abc import Callable, Iterator

import pytest

from lab import hosts, labs
from lab.labs import HostWish
from lab.testing import RunningLab, wait_until

pytestmark = pytest.mark.long
Figure = Callable[..., None]
BURN = """import time
start, used = time.monotonic(), time.process_time()
while time.monotonic() < start + 5:
    pass
open('/root/share', 'w').write(str((time.process_time() - used) / (time.monotonic() - start)))"""
TIMER = """[Timer]
OnCalendar=Mon..Fri 09:15 Asia/Kolkata
AccuracySec=1ms
"""
JOB = """[Service]
ExecStart=/usr/bin/touch /root/market-open
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    state = tmp_path_factory.mktemp("kernels") / "lab"
    try:
        started = labs.bring_up(state, [HostWish("u1", "bookworm", tier="uml")], print, wanted=())
        yield RunningLab(state, {entry.host.name: entry for entry in started})
    finally:
        labs.bring_down(state)


def test_host_has_a_kernel_of_its_own_and_systemd_runs(lab: RunningLab, figure: Figure) -> None:
    figure("uml_ssh_ready_s", round(lab.started["u1"].banner_seconds, 1), bound="<= 60", unit="s")

    said = lab.ssh(
        "u1", "systemd-detect-virt; systemctl is-system-running; cat /sys/fs/cgroup/cgroup.controllers"
    ).stdout

    assert said.split()[:2] == ["uml", "running"]
    assert {"cpu", "memory", "pids"} <= set(said.split())


def test_memory_limit_ends_in_an_oom_kill(lab: RunningLab) -> None:
    limit = "-p MemoryMax=64M -p MemorySwapMax=0 --unit=greedy"
    lab.ssh("u1", f"sudo systemd-run -q --wait {limit} python3 -c 'bytearray(200 << 20)'", check=False)

    assert lab.ssh("u1", "systemctl show greedy -p Result").stdout.strip() == "Result=oom-kill"


def test_cpu_quota_holds(lab: RunningLab, figure: Figure) -> None:
    lab.ssh("u1", f'sudo systemd-run -q --wait -p CPUQuota=20% python3 -c "{BURN}"')
    share = float(lab.ssh("u1", "sudo cat /root/share").stdout)
    figure("uml_cpu_share_under_20_percent_quota", round(share, 3), bound="<= 0.3", unit="share", gate=True)

    assert share > 0.1


def test_swap_can_be_added(lab: RunningLab) -> None:
    make = "sudo fallocate -l 32M /swap && sudo chmod 600 /swap && sudo mkswap -q /swap && sudo swapon /swap"

    said = lab.ssh("u1", f"{make} && cat /proc/swaps && sudo swapoff /swap && sudo rm /swap").stdout

    assert "/swap" in said


def test_clock_set_in_the_host_fires_a_calendar_timer_and_leaves_the_machine_alone(lab: RunningLab) -> None:
    for kind, text in (("timer", TIMER), ("service", JOB)):
        lab.ssh("u1", f"sudo tee /etc/systemd/system/market-open.{kind} >/dev/null <<'END'\n{text}\nEND")
    lab.ssh("u1", "sudo systemctl daemon-reload && sudo systemctl start market-open.timer")
    before = time.time()

    # A Monday, two seconds before the market opens.
    lab.ssh("u1", "sudo date -s '2032-11-22 09:14:58 +0530'")

    assert wait_until(lambda: lab.succeeds("u1", "sudo test -e /root/market-open"), 90)
    assert lab.ssh("u1", "date +%Y").stdout.strip() == "2032"
    assert 0 <= time.time() - before < 60


def test_power_cut_keeps_what_was_synced_and_loses_what_was_not(lab: RunningLab, figure: Figure) -> None:
    lab.ssh("u1", "echo kept > durable && sync durable && echo lost > volatile")

    started = time.monotonic()
    hosts.cut_power(lab.host("u1"))
    figure("uml_power_cut_to_ssh_s", round(time.monotonic() - started, 1), bound="<= 60", unit="s")

    assert wait_until(lambda: lab.succeeds("u1", "true"), 90)
    assert lab.ssh("u1", "cat durable").stdout.strip() == "kept"
    assert lab.ssh("u1", "cat volatile", check=False).stdout.strip() != "lost"
