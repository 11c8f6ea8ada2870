"""On a host `harvester COMMAND`, as messages print it, is found and runs as the user of that command's unit."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT

HOST = ROOT / "tests/golden/expected/host/aws"
UNIT = re.compile(r"^ExecStart=\S*/bin/harvester (.+?)$.*?^User=(\S+)$", re.DOTALL | re.MULTILINE)
UNITS = {
    found[1]: found[2]
    for path in (HOST / "etc/systemd/system").glob("*.service")
    for found in UNIT.finditer(path.read_text("utf-8"))
}
"""The user of each command line that a unit runs."""


def ask(folder: Path, *words: str) -> list[str]:
    """What the command would run: its words, with the user before them where that is another."""
    program = folder / "harvester"
    text = (HOST / "usr/local/bin/harvester").read_text("utf-8")
    (folder / "program").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.write_text(text.replace("/opt/harvester/current/bin/harvester", str(folder / "program")))
    (folder / "sudo").write_text(
        '#!/bin/sh\nprintf "%s\\n" "$3"; while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
    )
    for each in (program, folder / "program", folder / "sudo"):
        each.chmod(0o755)
    path = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([program, *words], env=path, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("command", sorted(UNITS))
def test_a_command_runs_as_the_user_of_its_unit(command: str, tmp_path: Path) -> None:
    words = [*command.split(), "--more", "a b"]
    assert ask(tmp_path, *words) == [UNITS[command], *words]


@pytest.mark.parametrize("command", ["health", "sessions", "config", "export", "alert", "due", "live --attach"])
def test_what_only_reads_runs_as_whoever_asks(command: str, tmp_path: Path) -> None:
    words = [*command.split(), "--json"]
    assert ask(tmp_path, *words) == words


def test_units_were_found() -> None:
    assert len(UNITS) >= 8
