"""Advice about inventories and plays, and refusals of plays: each is followed, or read, as Ansible prints it."""

import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from tests.commands.remedies.sayings import plain

from harvester.base.errors import ConfigError
from runbook.fleet.inventory import environment, load_hosts, program


@pytest.mark.parametrize(
    "value", ["C", *(pytest.param(name, marks=pytest.mark.long, id=name or "none") for name in ("POSIX", ""))]
)
def test_ansible_reads_an_inventory_whatever_the_locale(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_CTYPE", "LC_ALL"):
        monkeypatch.setenv(name, value)
    (tmp_path / "hosts.yml").write_text("harvesters: {hosts: {h1: {}}}\n")

    assert [each.name for each in load_hosts(tmp_path, "hosts.yml")] == ["h1"]


def test_an_inventory_without_hosts_names_the_two_ways_to_some(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("harvesters: {hosts: {}}\n")
    with pytest.raises(ConfigError, match=r"\./inv demo.* \./inv configure"):
        load_hosts(tmp_path, "hosts.yml")


def test_a_limit_that_matches_nothing_names_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("harvesters: {hosts: {h1: {}, h2: {}}}\n")
    with pytest.raises(ConfigError) as caught:
        load_hosts(tmp_path, "hosts.yml", "h9")

    assert "lab-up" not in str(caught.value), "there are hosts"
    named = re.search(r"It has (.*?)\.", str(caught.value))
    assert named
    assert named[1].split(", ") == ["h1", "h2"]


def test_a_refusal_inside_a_session_says_how_to_override_it_and_what_that_costs(root: Path, tmp_path: Path) -> None:
    before = {"status": {"window": {"open": True, "close_ns": 1_795_687_200_000_000_000}}}
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars_files": [f"{root}/roles/harvester/vars/main/wanted.yml", f"{root}/roles/harvester/defaults/main.yml"],
            "vars": {"__harvester_before": before},
            "tasks": [{"ansible.builtin.fail": {"msg": "{{ __harvester_frozen }}"}}],
        }
    ]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    words = [program("ansible-playbook"), "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    said = plain(done.stdout)

    assert "--force" in said
    assert "gap" in said and "stopped" in said


def test_an_inventory_that_ansible_refuses_is_looked_at_and_corrected(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("harvesters: {hosts: {h1: {}}\n")
    with pytest.raises(ConfigError) as caught:
        load_hosts(tmp_path, "hosts.yml")
    words = re.search(r"Look at it with `(ansible-inventory) (--list)`", str(caught.value))
    assert words
    command = [program(words[1]), words[2], "--inventory", "hosts.yml"]
    looked = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert "hosts.yml:2:1" in looked.stderr

    path.write_text("harvesters: {hosts: {h1: {}}}\n")
    assert [each.name for each in load_hosts(tmp_path, "hosts.yml")] == ["h1"]


def test_the_playbook_sees_a_key_with_plus_signs_as_the_only_one(root: Path, tmp_path: Path) -> None:
    """The playbook's own words, on a host whose only key is to go; + is in most keys, and means more in a pattern."""
    [play] = yaml.safe_load((root / "playbooks" / "rotate_ssh_key.yml").read_bytes())
    [refusal] = [task for task in play["tasks"] if task["name"].startswith("Refuse to remove the only key")]
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI+a/b++c== comment"
    content = b64encode(f"# ours\n{key}\n".encode()).decode()
    given = {"rotate_ssh_key_remove": key, "__rotate_ssh_key_file": {"content": content}}
    playbook = {"hosts": "localhost", "gather_facts": False, "connection": "local", "vars": given, "tasks": [refusal]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([playbook]))

    command = [program("ansible-playbook"), "--inventory", "localhost,", str(tmp_path / "play.yml")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert "would have no login key left" in done.stdout, done.stdout + done.stderr
    assert done.returncode
