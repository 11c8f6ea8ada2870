"""Venvs of packages that the controller has not, each made once."""

from collections.abc import Iterator

import pytest
from tests.readers.venv import making


@pytest.fixture(scope="session")
def engines() -> Iterator[str]:
    """The Python of a venv with requirements/engines.txt."""
    with making("engines") as python:
        yield python


@pytest.fixture(scope="session")
def exporters() -> Iterator[str]:
    """The Python of a venv with requirements/exporters.txt."""
    with making("exporters") as python:
        yield python
