"""Hosts of tier A on both Debian releases: real SSH, with systemd, cron, timers and a reboot of their own."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import claims, faults, hosts, labs
from lab.base.mirrors import find_archive
from lab.base.suites import find_suite
from lab.errors import LabError, LabUsageError
from lab.labs import HostWish
from lab.testing import LAB, RunningLab, wait_until

HOSTS = pytest.mark.parametrize("host", ["d13", "d12"])
Figure = Callable[..., None]


@HOSTS
def test_host_comes_up_with_systemd_running_as_process_1(lab: RunningLab, host: str, figure: Figure) -> None:
    started = lab.started[host]
    figure(f"{host}_ssh_ready_s", round(started.banner_seconds, 2), bound="<= 5", unit="s")
    figure(f"{host}_settled_s", round(started.settled_seconds, 2), bound="<= 8", unit="s")

    first = lab.ssh(host, "ps -p 1 -o comm=; systemctl is-system-running; id -un; sudo id -un").stdout.split()

    assert first == ["systemd", "running", "ubuntu", "root"]


@HOSTS
def test_host_passes_for_ubuntu_and_its_marker_says_what_it_is(lab: RunningLab, host: str) -> None:
    release = lab.ssh(host, ". /etc/os-release; echo $ID $VERSION_ID $VERSION_CODENAME").stdout.split()
    marker = lab.ssh(host, "cat /etc/alpha-harvester-lab.json").stdout

    assert release == ["ubuntu", "24.04", "noble"]
    assert f'"suite": "{lab.started[host].host.suite}"' in marker


@HOSTS
def test_role_packages_are_there_and_chrony_runs(lab: RunningLab, host: str) -> None:
    said = lab.ssh(host, "dpkg -l chrony nftables fail2ban | grep -c ^ii; systemctl is-active chrony").stdout.split()

    assert said == ["3", "active"]


@HOSTS
def test_wrong_user_key_is_refused(lab: RunningLab, host: str, tmp_path: Path) -> None:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    address = lab.host(host).address
    known = f"UserKnownHostsFile={lab.state / 'known_hosts'}"
    options = ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", known]

    refused = subprocess.run(
        ["ssh", "-F", "none", *options, "-i", key, f"ubuntu@{address}", "true"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr


@HOSTS
def test_changed_host_key_is_refused(lab: RunningLab, host: str, tmp_path: Path) -> None:
    lines = (lab.state / "known_hosts").read_text().splitlines()
    own, other = (lines[0], lines[1]) if lines[0].startswith(host) else (lines[1], lines[0])
    forged = tmp_path / "known_hosts"
    forged.write_text(f"{own.split()[0]} {' '.join(other.split()[1:])}\n")

    refused = lab.ssh(host, "true", "-o", f"UserKnownHostsFile={forged}", check=False)

    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


@HOSTS
def test_timer_in_the_host_fires(lab: RunningLab, host: str) -> None:
    lab.ssh(host, "sudo systemd-run --on-calendar='*:*:*' --timer-property=AccuracySec=1ms touch /run/timer-fired")

    assert wait_until(lambda: lab.succeeds(host, "test -e /run/timer-fired"), 90)


@HOSTS
def test_host_reaches_the_controller_side_and_nothing_else(lab: RunningLab, host: str) -> None:
    routes = lab.ssh(
        host, "ip route get 198.51.100.1 >/dev/null && echo reachable; ip route get 192.0.2.1", check=False
    )

    assert routes.stdout.split() == ["reachable"]
    assert "unreachable" in routes.stderr


@HOSTS
def test_kernel_settings_of_the_machine_cannot_be_changed_from_inside(lab: RunningLab, host: str) -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()

    network = lab.ssh(host, "sudo sysctl -qw net.ipv4.conf.all.send_redirects=0", check=False)
    machine = lab.ssh(host, "sudo sysctl -qw vm.swappiness=1", check=False)

    assert network.returncode == 0
    assert machine.returncode != 0
    assert Path("/proc/sys/vm/swappiness").read_text() == before


@HOSTS
def test_firewall_and_address_filter_of_a_unit_work(lab: RunningLab, host: str) -> None:
    lab.ssh(host, "sudo nft add table inet lab-test && sudo nft delete table inet lab-test")
    probe = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 22), 2)'"

    allowed = lab.ssh(host, f"sudo systemd-run -q --wait {probe}", check=False)
    denied = lab.ssh(host, f"sudo systemd-run -q --wait -p IPAddressDeny=any {probe}", check=False)

    assert allowed.returncode == 0
    assert denied.returncode != 0


@HOSTS
def test_cron_fires_and_a_reboot_keeps_address_keys_and_files(lab: RunningLab, host: str, figure: Figure) -> None:
    lab.ssh(host, "echo '@reboot root touch /root/cron-fired' | sudo tee /etc/cron.d/lab-test >/dev/null")
    before = lab.ssh(host, "cat /proc/sys/kernel/random/boot_id").stdout
    address = lab.host(host).address

    started = time.monotonic()
    lab.ssh(host, "sudo systemctl reboot", check=False)
    assert wait_until(lambda: not hosts.has_banner(address), 90)
    assert wait_until(lambda: hosts.has_banner(address), 90)
    figure(f"{host}_reboot_s", round(time.monotonic() - started, 2), bound="<= 8", unit="s")

    assert wait_until(lambda: lab.succeeds(host, "sudo test -e /root/cron-fired"), 90)
    assert lab.ssh(host, "cat /proc/sys/kernel/random/boot_id").stdout != before
    lab.ssh(host, "sudo rm /etc/cron.d/lab-test")


def test_disk_of_the_host_fills_up_and_heals(lab: RunningLab) -> None:
    write = "sudo dd if=/dev/zero of=/srv/disk/file bs=4k count=4"
    subprocess.run([LAB, "--state", lab.state, "fault", "disk-full", "d13"], check=True)

    full = lab.ssh("d13", write, check=False)
    subprocess.run([LAB, "--state", lab.state, "fault", "heal", "d13"], check=True)
    healed = lab.ssh("d13", write, check=False)

    assert "No space left on device" in full.stderr
    assert healed.returncode == 0


def test_partition_loss_and_cut_bite_and_heal(lab: RunningLab) -> None:
    host = lab.host("d13")

    def received() -> int:
        """Answers to 50 pings from the healthy host."""
        ping = f"sudo ping -q -i 0.02 -c 50 -W 1 {host.address} | grep -o '[0-9]* received'"
        return int(lab.ssh("d12", ping, check=False).stdout.split()[0])

    faults.partition(host, lab.host("d12").address)
    partitioned = received()
    faults.heal(host)
    faults.lose_packets(host, 30)
    lossy = received()
    faults.heal(host)
    faults.cut(host)
    while_cut = hosts.has_banner(host.address)
    faults.heal(host)

    assert partitioned == 0
    assert 5 < lossy < 49
    assert not while_cut
    assert received() == 50


def test_second_up_leaves_a_running_host_alone_and_refuses_another_suite(lab: RunningLab) -> None:
    assert labs.bring_up(lab.state, [HostWish("d12", "bookworm")], lab.said.append, wanted=()) == []

    with pytest.raises(LabUsageError, match="already there as bookworm"):
        labs.bring_up(lab.state, [HostWish("d12", "trixie")], lab.said.append, wanted=())
    assert lab.ssh("d12", "true").returncode == 0


def test_host_that_was_switched_off_boots_again_with_its_files(lab: RunningLab) -> None:
    lab.ssh("d13", "touch kept; sudo systemctl poweroff", check=False)
    assert wait_until(lambda: not hosts.is_running(lab.host("d13")), 90)

    labs.bring_up(lab.state, [HostWish("d13", "trixie")], lab.said.append, wanted=())

    assert wait_until(lambda: lab.succeeds("d13", "test -e kept"), 90)


def test_real_ubuntu_where_its_archive_answers(lab: RunningLab) -> None:
    try:
        find_archive(find_suite("noble"))
    except LabError as error:
        pytest.skip(f"tested on the look-alikes trixie and bookworm only: {error}")
    labs.bring_up(lab.state, [HostWish("noble", "noble")], lab.said.append, wanted=())

    release = lab.ssh("noble", ". /etc/os-release; echo $NAME $VERSION_CODENAME").stdout.split()
    labs.remove_host(lab.state, "noble")

    assert release == ["Ubuntu", "noble"]


def test_host_with_ssh_socket_starts_the_server_on_demand(lab: RunningLab) -> None:
    labs.bring_up(lab.state, [HostWish("socket", "trixie", ssh_socket=True)], lab.said.append, wanted=())

    said = lab.ssh("socket", "systemctl is-active ssh.socket; systemctl is-enabled ssh.service", check=False).stdout
    labs.remove_host(lab.state, "socket")

    assert said.split() == ["active", "disabled"]
    assert lab.ssh("socket", "true", check=False).returncode != 0
    assert lab.ssh("d13", "true").returncode == 0


def test_connections_to_a_host_come_from_its_own_lab(lab: RunningLab, remove_afterwards: Path) -> None:
    started = labs.bring_up(remove_afterwards, [HostWish("other", "trixie")], print, wanted=())
    other = RunningLab(remove_afterwards, {entry.host.name: entry for entry in started}, [])

    source = other.ssh("other", "echo $SSH_CONNECTION").stdout.split()[0]

    own, first = claims.find_lab(remove_afterwards), claims.find_lab(lab.state)
    assert own is not None and first is not None
    assert source == own.address != first.address
