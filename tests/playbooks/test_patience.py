"""Who waits at a terminal sees for what: no command is silent for long, and no line is wider than the screen."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.operator.support.terminal import COLUMNS, INTERRUPT, Shown, run_at_terminal

from runbook.fleet.inventory import program

WAIT_SECONDS = 7
"""Until ssh gives up: longer than anybody may be left without a word."""
LAST_WORDS = re.compile(r"(pull-data|status|cleanup|doctor|lab|missing): ")
IMPATIENCE = 3
Figure = Callable[..., None]


@pytest.fixture
def silent_host(tmp_path: Path) -> Iterator[Path]:
    """The inventory of a host that takes connections and says nothing: dead, as far as anybody can tell."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        variables = {
            "ansible_host": "127.0.0.1",
            "ansible_port": listener.getsockname()[1],
            "ansible_ssh_common_args": f"-o ConnectTimeout={WAIT_SECONDS}",
        }
        path = tmp_path / "inventory.json"
        path.write_text(json.dumps({"harvesters": {"hosts": {"dead": variables}}}), encoding="utf-8")
        yield path


def at_terminal(root: Path, *words: str, press: Callable[[str], bytes] = lambda _: b"") -> Shown:
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    return run_at_terminal([program("runbook"), *words], env | {"TERM": "xterm"}, cwd=root, press=press)


def check(shown: Shown, name: str, figure: Figure) -> None:
    """The silence is a figure; that lines fit is exact, but for the sentence at the end, which a terminal folds."""
    figure(f"{name}_longest_silence_seconds", shown.longest_silence, bound="<= 3", unit="s")
    assert [line for line in shown.lines if len(line) > COLUMNS and not LAST_WORDS.match(line)] == []


@pytest.mark.parametrize(
    ("words", "code", "waits"),
    [
        (["pull-data", "--output", "{tmp}/pulled"], 1, "dead: looking what is there"),
        (["status"], 3, "asking dead"),
        pytest.param(["cleanup", "--output", "{tmp}/pulled"], 1, "asking dead what it has", marks=pytest.mark.long),
        pytest.param(["doctor"], 1, "looking", marks=pytest.mark.long),
    ],
    ids=["pull-data", "status", "cleanup", "doctor"],
)
def test_a_dead_host_is_waited_for_aloud(
    words: list[str], code: int, waits: str, root: Path, tmp_path: Path, silent_host: Path, figure: Figure
) -> None:
    given = [word.format(tmp=tmp_path) for word in words]

    shown = at_terminal(root, *given, "--inventory", str(silent_host))

    assert shown.code == code, shown.text
    waiting = [line for line in shown.lines if waits in line]
    assert len(waiting) > WAIT_SECONDS / 3, shown.text  # it moves all the time
    check(shown, words[0], figure)


@pytest.mark.long
def test_the_demonstration_is_never_silent(root: Path, tmp_path: Path, figure: Figure) -> None:
    shown = at_terminal(
        root, "demo", "--here", "--down", "--seconds", "10", "--summary", str(tmp_path / "summary.json")
    )

    assert shown.code == 0, shown.text
    check(shown, "demo", figure)


def test_an_interrupted_demonstration_says_what_is_left_and_how_to_go_on(root: Path, figure: Figure) -> None:
    def press(text: str) -> bytes:  # more than once, as people do
        return INTERRUPT if "the market opens at" in text and text.count("^C") < IMPATIENCE else b""

    shown = at_terminal(root, "demo", "--here", press=press)

    said = " ".join(shown.text.split())
    assert shown.code == 130, shown.text
    assert "lab: interrupted. Its processes have ended; " in said
    assert said.endswith("./inv demo --here begins anew, elsewhere.")
    assert "Traceback" not in said
    check(shown, "demo_interrupted", figure)


def test_a_playbook_says_every_few_seconds_what_it_waits_for(root: Path, tmp_path: Path) -> None:
    """As a person runs it, by ansible.cfg alone: the screen itself shows a task once it has a result."""
    slow = {
        "name": "Wait for AWS",
        "ansible.builtin.command": "sleep 14",
        "vars": {"__x_waits_for": "Usually 3 s.\n After a minute: run it again"},
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [slow]}
    (tmp_path / "slow.yml").write_text(json.dumps([play]), encoding="utf-8")
    command = [program("ansible-playbook"), "--inventory", "localhost,", str(tmp_path / "slow.yml")]

    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    said = [line for line in done.stderr.splitlines() if line.startswith("... ")]
    assert re.fullmatch(r"\.\.\. \d+ s: Wait for AWS\. Usually 3 s\. After a minute: run it again\.", said[0])
    assert all(re.fullmatch(r"\.\.\. \d+ s: Wait for AWS", line) for line in said[1:]) and len(said) > 1
    assert "..." not in done.stdout
