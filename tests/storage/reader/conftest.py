"""The lakes that all questions of this folder are put to."""

from pathlib import Path

import pytest
from tests.storage.reader.days import record_all

from harvester.reader import Lake, open_lake

FORMER = Path(__file__).parent / "schema2" / "lake"


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake of three days, closed by the real close. Not to be changed."""
    return record_all(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def former() -> Path:
    """The same days as a release of before schema 3 closed them (README.md). Not to be changed."""
    return FORMER


@pytest.fixture(scope="session", params=["newest", "former"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Each of the two."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def lake(folder: Path) -> Lake:
    return open_lake(folder)
