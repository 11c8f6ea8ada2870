"""One host with eight jobs for the whole suite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenarios import lab_machine
from tests.sre.world import World, build

__all__ = ["lab_machine"]
LIST = Path(__file__).with_name("jobs.yml")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = Path(__file__).resolve().parents[2]
    with build(root, tmp_path_factory.mktemp("jobs"), LIST.read_text("utf-8").removeprefix("---\n")) as world:
        yield world
