"""The linters find nothing: what each checks is configured in pyproject.toml, .ansible-lint and .yamllint."""

import subprocess
from pathlib import Path

import pytest

COMMANDS = {
    "ruff-check": ["ruff", "check", "."],
    "ruff-format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy", "-p", "harvester", "-p", "runbook", "-p", "exchange", "-p", "lab"],
    "imports": ["lint-imports", "--no-cache", "--no-logo"],
    "vulture": ["vulture"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "-q"],
    "ansible-syntax": ["ansible-playbook", "--syntax-check", "site.yml"],
    "shell": ["sh", "-n", "inv"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_linter_finds_nothing(name: str, root: Path) -> None:
    result = subprocess.run(COMMANDS[name], cwd=root, capture_output=True, text=True, check=False)

    assert result.returncode == 0, f"{' '.join(COMMANDS[name])}\n{result.stdout[-6000:]}\n{result.stderr[-3000:]}"
