"""What the documents say is what the programs do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from runbook.fleet.inventory import program

DOCUMENTS = (
    "README.md",
    "docs/architecture.md",
    "docs/runbook.md",
    "docs/first-day.md",
    "docs/formats.md",
    "docs/verified.md",
)
HARVESTER_COMMANDS = re.compile(r"`(?:sudo -u \S+ \S*/)?harvester ([a-z-]+)")


def output(root: Path, *command: str) -> str:
    return subprocess.run(
        [program(command[0]), *command[1:]], cwd=root, capture_output=True, text=True, check=True
    ).stdout


def test_the_settings_table_is_what_the_program_prints(root: Path) -> None:
    assert output(root, "harvester", "config", "schema") in (root / "docs/settings.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(root: Path, document: str) -> None:
    path = root / document
    links = re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text("utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_the_documents_exist(root: Path, document: str) -> None:
    text = (root / document).read_text("utf-8")
    tasks = set(re.findall(r"^  ([a-z-]+)", output(root, "invoke", "--list"), re.MULTILINE))
    named = set(re.findall(r"(?:\./inv|`invoke) ([a-z][a-z-]+)", text))
    helped = output(root, "harvester", "--help")

    assert named - tasks == set()
    assert [name for name in HARVESTER_COMMANDS.findall(text) if name not in helped] == []


def test_what_meets_a_control_is_there(root: Path) -> None:
    """Each file that docs/controls.md names as what meets a control."""
    text = (root / "docs/controls.md").read_text("utf-8")
    named = set(re.findall(r"`((?:roles|tests|files|playbooks)/[^` ]+)", text))

    assert len(named) > 10
    assert [name for name in sorted(named) if not (root / name).exists()] == []


def test_the_table_of_memory_has_the_units_limits(root: Path) -> None:
    text = (root / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(r"\| (\d+) \| `(harvester_\w+_memory_max)` \|", text)
    defaults = yaml.safe_load((root / "roles/harvester/defaults/main.yml").read_text("utf-8"))

    assert {name for _, name in rows} == {name for name in defaults if name.endswith("_memory_max")}
    assert [(number, name) for number, name in rows if defaults[name] != f"{number}M"] == []
    most = {name.removeprefix("harvester_").removesuffix("_memory_max"): int(number) for number, name in rows}
    in_session = sum(int(number) for number, _ in rows[:6])
    evening = in_session + most["close"] - most["metrics"] - most["logs"]
    assert f"take {in_session} MiB together, in the evening {evening} with the close" in text
