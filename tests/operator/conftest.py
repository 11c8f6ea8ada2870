"""A made-up lake, a store to pull it into, and a throw-away SSH server to pull it from."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from made_lake import LakeMaker, trading_days
from throwaway_sshd import Server, running

from runbook.pull.store import LocalStore


@pytest.fixture
def make_lake(tmp_path: Path) -> Callable[..., LakeMaker]:
    """A lake with so many days: make_lake(days=3, host="lab1", raw_bytes=...)."""

    def make(days: int = 2, host: str = "lab1", raw_bytes: int = 300_000) -> LakeMaker:
        maker = LakeMaker(tmp_path / f"{host}-data" / "lake", host, raw_bytes)
        for day in trading_days(days):
            maker.add_day(day)
        return maker

    return make


@pytest.fixture
def control() -> Iterator[Path]:
    """A folder for an SSH connection's socket: its path is short, and it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="c-", dir="/tmp") as name:  # TMPDIR may be long
        yield Path(name)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "pulled")


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real OpenSSH server of this user on loopback."""
    with running(tmp_path_factory.mktemp("sshd")) as server:
        yield server
