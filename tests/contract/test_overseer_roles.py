"""The roles rclone and overseer refuse what cannot be in a sentence, before they write anything."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

WORKER = {"name": "colab", "mailbox": "drive:box"}
GOOD: dict[str, Any] = {
    "rclone_remotes": {"drive": {"type": "drive"}},
    "rclone_secrets": {"drive": {"token": "ssm:/a"}},
    "overseer_settings": {"workers": [WORKER]},
}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "well": ({}, ""),
    "folder": ({"overseer_settings": {"workers": [WORKER | {"mailbox": "s3://bucket/box"}]}}, ""),
    "untyped": ({"rclone_remotes": {"drive": {"scope": "drive"}}}, "rclone_remotes: drive has no type"),
    "exposed": (
        {"rclone_remotes": {"drive": {"type": "drive", "token": "1//canary"}}},
        "rclone_remotes holds a secret: drive.token. Take it out, store it",
    ),
    "unnamed": ({"rclone_secrets": {"other": {"token": "ssm:/a"}}}, "rclone_secrets names other, which is no remote"),
    "nowhere": (
        {"overseer_settings": {"workers": [WORKER | {"mailbox": "dropbox:box"}]}},
        "dropbox is no remote of rclone_remotes",
    ),
    "key": ({"overseer_settings": {"workers": [WORKER | {"silent": 1}]}}, "workers[0].silent"),
    "short": ({"overseer_door_tokens_file": "tokens"}, "a token of at least 32 characters"),
}
PLAY = """
- hosts: cases
  connection: local
  gather_facts: false
  vars: {harvester_settings: {}, harvester_config_dir: /etc/harvester, __harvester_data_dir: /var/lib/harvester}
  tasks:
    - ansible.builtin.import_role: {name: rclone, tasks_from: check.yml}
    - ansible.builtin.import_role: {name: overseer, tasks_from: check.yml}
"""


def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_else(root: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("colab canary\n")
    (tmp_path / "play.yml").write_text(PLAY)
    common = {
        "ansible_python_interpreter": sys.executable,
        "__harvester_alert_inbox": "/a",
        "__harvester_source_environment": {"PYTHONPATH": str(root / "files/harvester/src")},
    }
    hosts = {name: common | GOOD | case for name, (case, _) in CASES.items()}
    for said in hosts.values():
        if "overseer_door_tokens_file" in said:
            said["overseer_door_tokens_file"] = str(tmp_path / "tokens")
    (tmp_path / "hosts.json").write_text(json.dumps({"cases": {"hosts": hosts}}))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    environment = os.environ | {"ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_ROLES_PATH": str(root / "roles")}
    command = [program, "--inventory", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)

    refused = dict(re.findall(r"fatal: \[(\w+)(?: -> \w+)?\]: FAILED! =>(.*?)(?=\nfatal|\n\n)", done.stdout, re.DOTALL))
    assert set(refused) == {name for name, (_, says) in CASES.items() if says}, done.stdout
    for name, text in refused.items():
        assert CASES[name][1] in " ".join(text.split()), (name, text)
        assert f"{name} stays as it is" in text or f"on {name}" in text
    assert "canary" not in done.stdout


SYSTEMCTL = """#!/bin/sh
echo "$@" >> {folder}/said
case "$*" in
*show*) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
*is-enabled*) echo enabled ;;
esac
"""
"""systemd's answers, of units that wait and run."""
LEFT = ("units/harvester-workers.service", "units/harvester-workers.timer", "units/harvester-worker-door.service")
NOTES = ("opt/installed.d/overseer.json", "etc/overseer.json")
OTHERS = ("units/harvester-recorder.service", "opt/installed.d/other.json", "etc/worker-tokens", "etc/config.json")


def take_out(root: Path, folder: Path, *options: str) -> str:
    """The role on this machine, below a folder, for an inventory without workers; what Ansible says."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "systemctl").write_text(SYSTEMCTL.format(folder=folder))
    (tools / "systemctl").chmod(0o755)
    play = "- {hosts: localhost, connection: local, gather_facts: false, roles: [overseer]}\n"
    (folder / "play.yml").write_text(play)
    given = {
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "harvester_root_dir": str(folder / "opt"),
        "harvester_config_dir": str(folder / "etc"),
        "harvester_settings": {},
        "__harvester_data_dir": str(folder / "data"),
        "__overseer_units_dir": f"{folder}/units/",
    }
    (folder / "vars.json").write_text(json.dumps(given))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    environment = os.environ | {"ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_ROLES_PATH": str(root / "roles")}
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    command = [program, "--inventory", "localhost,", str(folder / "play.yml"), "-e", f"@{folder}/vars.json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def test_a_host_whose_inventory_names_no_workers_any_more_watches_none(root: Path, tmp_path: Path) -> None:
    """Else it goes on restarting them beside the host that watches them now, and each hour of theirs is due."""
    for name in (*LEFT, *NOTES, *OTHERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")

    checked = take_out(root, tmp_path, "--check")
    assert "localhost would watch no workers any more" in checked
    assert all((tmp_path / name).exists() for name in (*LEFT, *NOTES, *OTHERS))

    said = take_out(root, tmp_path)

    assert "localhost watches no workers any more" in said and "worker-tokens" in said
    assert [name for name in (*LEFT, *NOTES, *OTHERS) if (tmp_path / name).exists()] == [*OTHERS]
    asked = (tmp_path / "said").read_text()
    for unit in ("harvester-workers.timer", "harvester-worker-door.service", "harvester-workers.service"):
        assert re.search(rf"\bstop '?{unit}", asked), asked
    for unit in ("harvester-workers.timer", "harvester-worker-door.service"):
        assert re.search(rf"\bdisable '?{unit}", asked), asked
    assert asked.rstrip().endswith("daemon-reload")
    assert "changed=0" in take_out(root, tmp_path)
