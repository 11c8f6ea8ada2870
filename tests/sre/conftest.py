"""One host for the whole suite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenarios import lab_machine
from tests.sre.world import World, build

__all__ = ["lab_machine"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = Path(__file__).resolve().parents[2]
    with build(root, tmp_path_factory.mktemp("sre")) as world:
        yield world
