"""The throw-away SSH server and the made-up lake of the unit tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "operator" / "support"))

from throwaway_sshd import Server, running


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real OpenSSH server of this user on loopback."""
    with running(tmp_path_factory.mktemp("sshd")) as server:
        yield server
