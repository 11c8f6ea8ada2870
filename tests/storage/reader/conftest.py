"""The lake that all questions of this folder are put to."""

from pathlib import Path

import pytest
from tests.storage.reader.days import record_all

from harvester.reader import Lake, open_lake


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake of three days, closed by the real close. Not to be changed."""
    return record_all(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def lake(folder: Path) -> Lake:
    return open_lake(folder)
