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
