"""What a fleet asks of broker and AWS beyond what it may is refused before a host is touched, by Ansible itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
SHOW = """
- hosts: harvesters
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ inventory_hostname | account_shares(groups['harvesters'], hostvars, '') | to_json }}"
        dest: "{{ playbook_dir }}/{{ inventory_hostname }}.json"
        mode: "0600"
"""


def play(root: Path, playbook: Path | str, inventory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = ["ansible-playbook", str(playbook), "--inventory", str(inventory), *options]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def fleet(folder: Path, symbols: int) -> Path:
    """An inventory of three hosts of one account, each with so many symbols, from a template."""
    settings = {
        "host_id": "{{ inventory_hostname }}",
        "symbols": "{{ mine }}",
        "broker": {"app_id": "ABCDE12345-100"},
    }
    mine = [f"NSE:S{number}-EQ" for number in range(symbols)]
    hosts = {name: {"ansible_host": "192.0.2.1"} for name in ("h1", "h2", "h3")}
    content = {"harvesters": {"hosts": hosts, "vars": {"mine": mine, "harvester_settings": settings}}}
    path = folder / "hosts.yml"
    path.write_text(json.dumps(content))
    return path


def test_more_than_the_account_may_is_refused_before_any_host(root: Path, tmp_path: Path) -> None:
    refused = play(root, "playbooks/preflight.yml", fleet(tmp_path, 6))

    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert "234 requests in a minute" in said
    assert "the shortest possible interval is 5.5 s" in said


def test_what_it_may_is_shared_out(root: Path, tmp_path: Path) -> None:
    inventory = fleet(tmp_path, 5)
    (tmp_path / "show.yml").write_text(SHOW)

    assert play(root, "playbooks/preflight.yml", inventory).returncode == 0
    shown = play(root, tmp_path / "show.yml", inventory)
    assert shown.returncode == 0, shown.stdout

    shares = [json.loads((tmp_path / f"{name}.json").read_text())["broker"] for name in ("h1", "h2", "h3")]
    assert [share["requests_per_minute"] for share in shares] == [66, 66, 66]
    assert sum(share["requests_per_second"] for share in shares) == 10


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_a_login_that_the_role_in_aws_may_not_read_is_refused_before_any_host(
    root: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    settings = {"token": {"source": "{{ 'ssm' }}", "parameter": "/alpha-harvester/paper/schwab/access-token"}}
    hosts = {"us-1": {"ansible_host": "192.0.2.1", "harvester_settings": settings, "harvester_market": "us"}}
    stated = {"aws_identity_schwab": "secretsmanager"}
    (tmp_path / "hosts.yml").write_text(json.dumps({"harvesters": {"hosts": hosts, "vars": stated}}))

    refused = play(root, "playbooks/preflight.yml", tmp_path / "hosts.yml", *options)

    assert refused.returncode == 2
    said = " ".join(refused.stdout.split())
    assert "us-1: aws_identity_schwab is secretsmanager, so its role reads the login there alone" in said
