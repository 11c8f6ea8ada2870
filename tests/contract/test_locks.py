"""Everything that is installed comes from a hashed lock file that names no download address."""

import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import pytest

LOCKS = (
    "bootstrap.txt",
    "calendars.txt",
    "controller.txt",
    "drive.txt",
    "engines.txt",
    "exporters.txt",
    "rclone.txt",
    "schwab.txt",
    "server.txt",
)
OURS = {"harvester", "runbook", "exchange", "lab"}
MADE_BY_VENV = {"pip", "setuptools"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(lock: Path) -> dict[str, list[str]]:
    """Name -> its hashes, in a lock file."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lock.read_text("utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==", line):
            name = canonical(match[1])
            found.setdefault(name, [])
        elif match := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            found[name].append(match[1])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_hashed_and_no_address_is_named(root: Path, lock: str) -> None:
    path = root / "requirements" / lock
    found = requirements(path)

    assert found
    assert [name for name, hashes in found.items() if not hashes] == []
    assert "://" not in path.read_text("utf-8")


def test_the_server_installs_the_versions_that_the_controller_tested(root: Path) -> None:
    controller = requirements(root / "requirements/controller.txt")
    server = requirements(root / "requirements/server.txt")

    assert server
    assert [name for name, hashes in server.items() if controller.get(name) != hashes] == []


def test_nothing_is_installed_that_the_lock_does_not_know(root: Path) -> None:
    locked = set(requirements(root / "requirements/controller.txt"))
    locked |= set(requirements(root / "requirements/bootstrap.txt"))
    installed = {canonical(found.metadata["Name"]) for found in distributions(path=[sysconfig.get_path("purelib")])}

    assert installed - locked - OURS - MADE_BY_VENV == set()
