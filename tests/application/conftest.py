"""The role's programs, as a controller and a host run them."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.application.project import ROOT
from tests.application.world import PASSWORD, World, build, changes

PROGRAMS = Path(__file__).resolve().parents[2] / "roles/application/files"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def building() -> ModuleType:
    return load("build_application")


@pytest.fixture(scope="session")
def installing() -> ModuleType:
    return load("install_application")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A booted host with the example and backups of its database. Its tests leave it as they found it."""
    with build(ROOT, tmp_path_factory.mktemp("application")) as made:
        made.checked = made.here("ansible-playbook", "site.yml", "--check", "--diff")
        first = made.play("site.yml")
        assert changes(first) > 0
        assert PASSWORD not in first
        yield made
