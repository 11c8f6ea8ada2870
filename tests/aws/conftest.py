"""Two accounts: one is built, checked, spoiled, repaired and destroyed; the other is built by runs that get killed."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.aws.account import Cloud, Run

TASKS = 29  # of a first run; before the fifth nothing has changed yet
SEED = 20261122
KILLS, KILLS_IN_SHORT = 20, 1


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account that the tests of test_provision use one after the other."""
    made = Cloud(tmp_path_factory.mktemp("cloud"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account that tests may spoil."""
    made = Cloud(tmp_path_factory.mktemp("other"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def interrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cloud: Cloud
) -> Iterator[Callable[[], list[Any]]]:
    """The end states of accounts built by killed runs; they are built beside the tests of the first account."""
    draw = random.Random(SEED)
    kills = KILLS if request.config.getoption("--long") else KILLS_IN_SHORT
    moments = [(draw.randint(5, TASKS), draw.random()) for _ in range(kills)]
    pool = ThreadPoolExecutor(max_workers=1)
    futures: list[Future[Any]] = [
        pool.submit(build_by_killed_run, tmp_path_factory.mktemp("killed"), *moment) for moment in moments
    ]
    yield lambda: [future.result() for future in futures]
    pool.shutdown(cancel_futures=True)


def build_by_killed_run(folder: Path, task: int, seconds: float) -> tuple[bool, Run, Any]:
    """(whether the kill struck, the run that finished the job, the state of the account)."""
    cloud = Cloud(folder)
    try:
        return cloud.interrupt(task, seconds), cloud.run(), cloud.state()
    finally:
        cloud.close()
