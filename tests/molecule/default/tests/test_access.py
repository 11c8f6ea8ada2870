"""Who gets in, and what gets out."""

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

METADATA = "169.254.169.254"
METADATA_USERS = {
    "root",
    "harvester-token",
    "harvester-recorder",
    "harvester-alert",
    "harvester-close",
    "harvester-upload",
    "harvester-metrics",
    "harvester-logs",
    "harvester-deliver",
    "ubuntu",
}
CONNECT = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.0)
    print("connected")
except TimeoutError:
    print("no answer")
except OSError as error:
    print(errno.errorcode.get(error.errno, str(error)))
"""
LISTEN = "import socket, time; s = socket.create_server(('0.0.0.0', 8099)); time.sleep(60)"


def is_open(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.4)
        return probe.connect_ex((address, port)) == 0


def test_from_outside_the_host_listens_on_ssh_alone(host, address, note, forgiven):
    listener = host.check_output(
        f'systemd-run --unit=probe-listener /usr/bin/python3 -c "{LISTEN}" 2>&1; sleep 0.5; echo up'
    )
    assert listener.endswith("up")
    ports = [*range(1, 1025), 2375, 3306, 5000, 5432, 6379, 8000, 8080, 8099, 8443, 9090, 27017]
    try:
        assert host.socket("tcp://0.0.0.0:8099").is_listening
        with ThreadPoolExecutor(256) as pool:
            found = [
                port for port, open_ in zip(ports, pool.map(lambda p: is_open(address, p), ports), strict=True) if open_
            ]
    finally:
        host.run("systemctl stop probe-listener")

    note("ports_open_from_outside", len(found), bound="== 1", unit="ports")
    assert found == [22]


def test_nothing_but_ssh_listens_on_the_host_itself(host):
    listening = {line.split()[3].rpartition(":")[2] for line in host.check_output("ss -Htln").splitlines()}

    assert listening == {"22"}


CLASSIC = "curve25519-sha256"
"""The one exchange of keys without protection against quantum computers, for old clients: ssh-audit warns of it."""


def audit(address: str) -> tuple[int, int]:
    """Failures and warnings that ssh-audit finds, but for that of the one classic exchange of keys."""
    program = Path(sys.executable).with_name("ssh-audit")
    argv = [str(program), "--json", "--skip-rate-test", address]
    answer = json.loads(subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout)
    rows = [row for kind in ("kex", "key", "enc", "mac") for row in answer[kind]]
    assert rows, "ssh-audit saw no algorithms"
    [classic] = [row for row in rows if row["algorithm"] == CLASSIC]
    assert len(classic["notes"].pop("warn")) == 1
    return tuple(sum(len(row.get("notes", {}).get(level, [])) for row in rows) for level in ("fail", "warn"))


def test_ssh_audit_finds_no_failure_and_no_warning(address, note, forgiven):
    failures, warnings = audit(address)

    note("ssh_audit_fail", failures, bound="== 0", unit="findings")
    note("ssh_audit_warn", warnings, bound="== 0", unit="findings")
    assert (failures, warnings) == (0, 0)


def test_our_ssh_settings_win_over_those_of_the_cloud_image(host):
    effective = dict(line.split(None, 1) for line in host.check_output("sshd -T").splitlines() if " " in line)

    assert effective["passwordauthentication"] == "no"
    assert effective["kbdinteractiveauthentication"] == "no"
    assert effective["permitrootlogin"] == "no"
    assert effective["allowusers"] == "ubuntu"
    assert effective["maxauthtries"] == "3"
    assert effective["allowtcpforwarding"] == "no"


@pytest.mark.parametrize("user", ["root", "harvester-recorder"])
def test_nobody_but_the_named_user_logs_in(address, forgiven, user):
    argv = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    done = subprocess.run([*argv, f"{user}@{address}", "true"], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_login_works_when_systemd_listens_for_ssh(host, login):
    """Ubuntu starts sshd from a socket; Debian can, too."""
    # Neither enabled nor disabled: as the alias sshd.service comes and goes, systemd loses sight of the running one.
    host.check_output("systemctl stop ssh.service; systemctl reset-failed ssh.service; systemctl start ssh.socket")
    try:
        assert login("echo in").stdout == "in\n"
        assert login("sudo systemctl try-restart ssh.service; echo restarted").stdout == "restarted\n"
        assert login("echo in again").stdout == "in again\n"
    finally:
        host.check_output("systemctl stop ssh.socket ssh.service; systemctl reset-failed ssh.service")
        host.check_output("systemctl start ssh.service")
    assert login("systemctl is-active ssh.service").stdout == "active\n"


def test_the_metadata_service_is_there_for_root_and_the_token_agent_alone(host):
    """With a route that leaves the host, only its own rules can stop a packet; loaded as a boot loads them."""
    host.check_output("nft --file /etc/nftables.d/harvester.nft")
    device = host.check_output("ip -o route get 198.51.100.1").partition(" dev ")[2].split()[0]
    host.check_output(f"ip route replace {METADATA}/32 dev {device}")
    try:
        answers = {user: connect(host, user, METADATA, 80) for user in METADATA_USERS}
    finally:
        host.run(f"ip route del {METADATA}/32")

    assert {user for user, answer in answers.items() if answer == "ECONNREFUSED"} == METADATA_USERS - {
        "root",
        "harvester-token",
        "harvester-upload",
        "harvester-metrics",
        "harvester-logs",
    }


def test_what_the_host_does_not_need_it_cannot_reach(host):
    assert connect(host, "ubuntu", "198.51.100.1", 25) == "ECONNREFUSED"


def connect(host, user: str, address: str, port: int) -> str:
    argv = f"setpriv --reuid={user} --clear-groups --regid=nogroup python3 -I - {address} {port}"
    return host.check_output(f"{argv} <<'E'\n{CONNECT}\nE")


def test_guessing_is_banned(host):
    host.check_output("fail2ban-client set sshd banip 203.0.113.7")
    try:
        assert "203.0.113.7" in host.check_output("nft list ruleset")
    finally:
        host.check_output("fail2ban-client set sshd unbanip 203.0.113.7")
    matches = host.check_output("fail2ban-client get sshd journalmatch")
    assert "sshd-session" in matches
