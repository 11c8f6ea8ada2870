"""A failed deploy had brought new variables: what runs again has those of before. The role's tasks, a play here."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.application.project import ROOT

ROLE = ROOT / "roles/application"
OLD, NEW = "KEY=old\n", "KEY=new\n"
SYSTEMCTL = """#!/bin/sh
case "$1" in
show) printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\n' ;;
is-active) echo active ;;
is-enabled) echo enabled ;;
restart) cat {env} >> {restarts}; echo >> {tries}; [ $(wc -l < {tries}) -gt {failing} ] ;;
esac
"""


class Host:
    """A folder for /opt/market-app, with release a1 in force, and a systemctl that tells what a restart found."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "market-app"
        (self.path / "releases/a1").mkdir(parents=True)
        (self.path / "releases/b2").mkdir()
        (self.path / "current").symlink_to("releases/a1")
        self.env = self.path / ".env"
        self.env.write_text(OLD)
        self.restarts = folder / "restarts"

    def deploy(self, release: str, *, failing: int) -> "subprocess.CompletedProcess[str]":
        """Bring new variables and this release, where so many restarts fail."""
        (self.folder / "bin").mkdir()
        told = {"env": self.env, "restarts": self.restarts, "tries": self.folder / "tries", "failing": failing}
        for name, text in (("systemctl", SYSTEMCTL.format(**told)), ("harvester", "#!/bin/sh\n")):
            (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin" / name).chmod(0o755)
        (self.folder / "new.env").write_text(NEW)
        variables = [
            task
            for task in yaml.safe_load((ROLE / "tasks/write.yml").read_text("utf-8"))
            if "variables" in task["name"] and "store" not in task["name"]
        ]
        given: dict[str, Any] = {
            "__application_path": str(self.path),
            "__application_harvester": str(self.folder / "bin/harvester"),
            "__application_link": {"stat": {"exists": True, "lnk_target": "releases/a1"}},
            "__application_release": release,
            "__application_is_new": False,  # no images to remove
            "__application_variables": {"changed": True},
            "application_env_file": str(self.folder / "new.env"),
            "ansible_become": False,
        }
        play = {
            "hosts": "localhost", "connection": "local", "gather_facts": False,
            "vars_files": [str(ROLE / part / "main.yml") for part in ("defaults", "vars")],
            "tasks": [*variables, {"ansible.builtin.import_tasks": str(ROLE / "tasks/activate.yml")}],
        }  # fmt: skip
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        return subprocess.run(
            [ROOT / ".venv/bin/ansible-playbook", self.folder / "play.yml", "-e", json.dumps(given)],
            capture_output=True, text=True, check=False, cwd=ROOT,
            env=os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "ANSIBLE_DIFF_ALWAYS": "1"},
        )  # fmt: skip


@pytest.mark.parametrize("release", ["b2", "a1"], ids=["with another release", "the variables alone"])
def test_what_failed_takes_its_variables_with_it(tmp_path: Path, release: str) -> None:
    host = Host(tmp_path)

    done = host.deploy(release, failing=1)

    assert done.returncode != 0 and f"Release {release}" in done.stdout, done.stdout + done.stderr
    assert host.restarts.read_text() == NEW + OLD, "what runs again runs with the variables of before"
    assert (host.env.read_text(), (host.path / "current").readlink()) == (OLD, Path("releases/a1"))
    assert "is back on release a1, with the variables of before" in " ".join(done.stdout.split())
    assert {each.name for each in host.path.glob(".env*")} == {".env"}, "no copy of a secret stays"
    assert "KEY=" not in done.stdout + done.stderr


def test_what_is_well_keeps_its_variables_and_leaves_no_copy_of_those_before(tmp_path: Path) -> None:
    host = Host(tmp_path)

    done = host.deploy("b2", failing=0)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (host.restarts.read_text(), host.env.read_text()) == (NEW, NEW)
    assert {each.name for each in host.path.glob(".env*")} == {".env"}
    assert "KEY=" not in done.stdout + done.stderr
