"""The controller's side of a release."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def build():
    path = Path(__file__).resolve().parents[3] / "roles/harvester/files/build_release.py"
    spec = importlib.util.spec_from_file_location("build_release", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_release"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source/src/harvester").mkdir(parents=True)
    (tmp_path / "source/src/harvester/__init__.py").write_text('"""A package."""\n')
    (tmp_path / "source/pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.txt").write_text("six==1.17.0 --hash=sha256:0\n")
    return tmp_path / "source"


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "harvester"
version = "0.1.0"
[tool.hatch.build.targets.wheel]
packages = ["src/harvester"]
"""


def release(build, source, python="3.13"):
    return build.release_of(source, source.parent / "requirements.txt", python)


def test_the_same_inputs_give_the_same_id_wherever_they_lie(build, source, tmp_path):
    shutil.copytree(source, tmp_path / "elsewhere/source")
    shutil.copy(source.parent / "requirements.txt", tmp_path / "elsewhere")
    (source / "src/harvester/__pycache__").mkdir()
    (source / "src/harvester/__pycache__/x.pyc").write_bytes(b"x")

    assert release(build, source) == release(build, tmp_path / "elsewhere/source")


def test_source_requirements_and_python_each_change_the_id(build, source):
    ids = [release(build, source), release(build, source, "3.12")]
    (source.parent / "requirements.txt").write_text("six==1.16.0 --hash=sha256:0\n")
    ids.append(release(build, source))
    (source / "src/harvester/more.py").write_text("")
    ids.append(release(build, source))
    (source / "src/harvester/more.py").rename(source / "src/harvester/other.py")
    ids.append(release(build, source))

    assert len(set(ids)) == len(ids)


def test_the_wheel_is_the_same_byte_for_byte(build, source, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = build.build_wheel(source, tmp_path / "one/id").read_bytes()
    (source / "src/harvester/__init__.py").touch()

    assert build.build_wheel(source, tmp_path / "two/id").read_bytes() == first


def test_a_wheel_that_cannot_be_built_leaves_nothing_and_says_why(build, source, tmp_path):
    (source / "pyproject.toml").write_text("[project]\n")

    with pytest.raises(build.BuildError, match="Building our wheel failed"):
        build.build_wheel(source, tmp_path / "id")
    assert not (tmp_path / "id").exists()
