"""The role jobs refuses a list that cannot be in a sentence, before it writes anything; a good one makes units."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.jobs.model import JobsFile
from harvester.jobs.plan import plan_units

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {harvester_calendar_file: "", harvester_settings: {symbols: ["NSE:SBIN-EQ"]}}
  tasks:
    - ansible.builtin.import_role: {name: jobs, tasks_from: check.yml}
"""
GOOD = {"name": "copy", "when": "close+30m", "command": ["true"]}


def check(root: Path, folder: Path, jobs: list[dict[str, Any]]) -> tuple[int, str]:
    """How the first step of the role ends on this machine, and what it says."""
    (folder / "play.yml").write_text(PLAY)
    given = {
        "jobs_list": jobs,
        "__harvester_users": ["harvester-overseer"],
        "__harvester_source_environment": {"PYTHONPATH": str(root / "files/harvester/src")},
    }
    (folder / "vars.json").write_text(json.dumps(given))
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "--inventory", "localhost,", str(folder / "play.yml"), "-e", f"@{folder}/vars.json"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_ROLES_PATH": str(root / "roles")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)
    return done.returncode, " ".join(done.stdout.split())


def test_a_user_of_the_harvester_need_not_be_there_yet(root: Path, tmp_path: Path) -> None:
    code, said = check(root, tmp_path, [GOOD | {"user": "harvester-overseer"}])
    assert code == 0, said


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ([GOOD, GOOD], "jobs names twice: copy. Each job needs a name of its own"),
        (
            [GOOD | {"user": "nobody-here"}],
            "The job copy is to run as nobody-here, and localhost has no such user. Create it there, or leave",
        ),
    ],
)
def test_a_list_that_cannot_be_is_refused_in_a_sentence(
    jobs: list[dict[str, Any]], says: str, root: Path, tmp_path: Path
) -> None:
    code, said = check(root, tmp_path, jobs)

    assert code != 0
    assert says in said
    assert "Traceback" not in said


def unit(root: Path, template: str, **changes: Any) -> str:
    """A unit as the role writes it."""
    jobs = validate(JobsFile, {"jobs": [GOOD | changes]})
    [job] = plan_units(jobs, TradingCalendar.load(), {"symbols": ["NSE:SBIN-EQ"]}, date(2026, 11, 30))
    init_plugin_loader()
    loader = DataLoader()
    loader.set_basedir(str(root))
    given: dict[str, Any] = {
        "ansible_managed": "managed",
        "item": {"job": job},
        "role_path": str(root / "roles/jobs"),
        "inventory_hostname": "h1",
    }
    for role in ("harvester", "jobs"):
        for path in sorted((root / "roles" / role / "vars").rglob("*.yml")):
            given |= loader.load_from_file(str(path), trusted_as_template=True)
        given |= loader.load_from_file(str(root / "roles" / role / "defaults/main.yml"), trusted_as_template=True)
    given["harvester_settings"] = {"symbols": []}
    source = trust_as_template((root / "roles/jobs/templates" / template).read_text("utf-8"))
    return str(Templar(loader, given).template(source))


def test_a_unit_has_what_its_entry_says_and_no_more(root: Path) -> None:
    plain = unit(root, "harvester-job.service.j2").splitlines()
    sandbox = {"network": True, "writes": ["/srv/a"], "home": True, "processes": True}
    wide = unit(
        root,
        "harvester-job.service.j2",
        sandbox=sandbox,
        when="every 6h",
        limit="2min",
        user="trader",
        credentials={"pass": "/etc/pass"},
    ).splitlines()

    for line in ("PrivateNetwork=yes", "ProtectHome=yes", "User=harvester-jobs", "TimeoutStartSec=690"):
        assert line in plain
    assert "ExecStart=/opt/harvester/current/bin/harvester job run copy --if-due" in plain
    assert plain.index("StartLimitBurst=3") < plain.index("[Service]")
    assert "OnFailure=harvester-failure@%n.service" in plain
    assert "TemporaryFileSystem=/tmp:size=64M,mode=1777 /var/tmp:size=1M,mode=1777" in plain
    assert "PrivateNetwork=yes" not in wide
    for line in ("ReadWritePaths=-/srv/a", "ProtectHome=read-only", "ProtectProc=default", "User=trader"):
        assert line in wide
    assert "IPAddressDeny=169.254.169.254 fd00:ec2::254" in wide
    assert "LoadCredential=pass:/etc/pass" in wide
    assert "ExecStart=/opt/harvester/current/bin/harvester job run copy" in wide
    assert "TimeoutStartSec=210" in wide


def test_a_timer_makes_up_for_what_was_slept_through_unless_it_is_an_interval(root: Path) -> None:
    market = unit(root, "harvester-job.timer.j2").splitlines()
    interval = unit(root, "harvester-job.timer.j2", when="every 6h").splitlines()

    assert "Persistent=true" in market and "OnCalendar=*-*-* 16:05:00 Asia/Kolkata" in market
    assert "Persistent=false" in interval and "OnCalendar=*-*-* 00/6:00:00 Asia/Kolkata" in interval


def test_a_privileged_job_has_the_hosts_network_and_no_sandbox_on_its_program(root: Path) -> None:
    lines = unit(root, "harvester-job.service.j2", user="root", sandbox={"privileged": True}).splitlines()

    # systemd.exec(5): what + lifts are user, capabilities and file systems; a network of its own it would keep.
    assert "ExecStart=+/opt/harvester/current/bin/harvester job run copy --if-due" in lines
    assert "PrivateNetwork=yes" not in lines
    assert "User=root" in lines
