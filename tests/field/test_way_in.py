"""The firewall and the SSH server of a host over years: users that are gone, another port, old clients."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from tests.operator.support.throwaway_sshd import running

NEEDS_NET = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft for a network of its own"
)
ROLE = "roles/host_hardening"
SCRIPT = """
nft --file {rules} || echo VOID
{after}
nft list table inet host_hardening
"""


def rendered(root: Path, template: str, **different: Any) -> str:
    """A template of the role, by Ansible, with the role's defaults."""
    init_plugin_loader()
    loader = DataLoader()
    loader.set_basedir(str(root / ROLE))
    variables: dict[str, Any] = {"ansible_managed": "managed", "ansible_user": "ubuntu"}
    for kind in ("defaults", "vars"):
        variables |= loader.load_from_file(str(root / ROLE / kind / "main.yml"), trusted_as_template=True)
    variables |= {"ansible_facts": {"env": {}, "virtualization_tech_guest": []}, **different}
    text = (root / ROLE / "templates" / template).read_text("utf-8")
    return str(Templar(loader, variables).template(trust_as_template(text)))


@NEEDS_NET
def test_a_rule_with_a_user_who_is_gone_costs_nothing_but_itself(root: Path, tmp_path: Path) -> None:
    """In a network of this test, with its own folder of rules: what nftables.service does, in its order."""
    (tmp_path / "added").mkdir()
    for name, user in {"a-gone": "nobody-of-that-name", "b-there": "daemon"}.items():
        line = f'add element inet host_hardening metadata_users {{ "{user}" }}\n'
        (tmp_path / f"added/{name}.nft").write_text(line)
    (tmp_path / "rules.nft").write_text(rendered(root, "nftables.conf.j2") + "\n")
    unit = rendered(root, "nftables.service.conf.j2").splitlines()
    [after] = [line.partition("=-")[2] for line in unit if line.startswith("ExecStartPost=")]
    [again] = [line.partition("=-")[2] for line in unit if line.startswith("ExecReload=")]
    assert again == after
    here = after.replace("/etc/nftables.d", str(tmp_path / "added")).replace("*.nft", "'*.nft'")
    script = SCRIPT.format(rules=tmp_path / "rules.nft", after=here)
    argv = ["unshare", "--net", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert "VOID" not in done.stdout, done.stderr
    assert done.stdout.count("policy drop") == 3
    assert f"type uid elements = {{ 0, {pwd.getpwnam('daemon').pw_uid} }}" in " ".join(done.stdout.split())
    assert "nobody-of-that-name" in done.stderr, "it is said, and goes to the journal"


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({}, [22]),
        ({"ansible_port": 2222}, [2222]),
        ({"ansible_port": "2222"}, [2222]),
        ({"host_hardening_ssh_ports": [22, 2200]}, [22, 2200]),
        # A forwarded port: the host's own server is reached at another one than the inventory names.
        (
            {"ansible_port": 2222, "ansible_facts": {"env": {"SSH_CONNECTION": "198.51.100.7 40000 10.0.0.5 22"}}},
            [22, 2222],
        ),
    ],
)
def test_the_firewall_and_the_bans_follow_the_port_of_the_login(
    root: Path, variables: dict[str, Any], ports: list[int]
) -> None:
    rules, jail = (rendered(root, name, **variables) for name in ("nftables.conf.j2", "jail.local.j2"))

    listed = ", ".join(map(str, ports))
    assert rules.count(f"tcp dport {{ {listed} }} ct state new") == 2
    assert f"tcp sport {{ {listed} }} accept" in rules
    assert f"port = {listed.replace(' ', '')}\n" in jail


@pytest.mark.parametrize(
    ("exchange", "gets_in"),
    [
        ("curve25519-sha256", True),
        ("sntrup761x25519-sha512@openssh.com", True),
        ("diffie-hellman-group14-sha256", False),
    ],
)
def test_old_clients_get_in_by_one_classic_exchange_of_keys(
    root: Path, tmp_path: Path, exchange: str, gets_in: bool
) -> None:
    """OpenSSH 8.2 (Ubuntu 20.04) and EC2 Instance Connect know no exchange that newer ones would prefer."""
    [ours] = [line for line in rendered(root, "sshd.conf.j2").splitlines() if line.startswith("KexAlgorithms ")]
    with running(tmp_path, settings=dict([ours.split(" ", 1)])) as server:
        argv = ["ssh", "-F", "none", "-p", str(server.port), "-i", str(server.key), "-o", "BatchMode=yes"]
        argv += [
            "-o",
            f"UserKnownHostsFile={server.known_hosts}",
            "-o",
            f"KexAlgorithms={exchange}",
            "127.0.0.1",
            "true",
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode == 0) is gets_in, done.stderr
