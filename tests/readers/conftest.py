"""The venv of engines, made once."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def engines() -> Iterator[str]:
    """The Python of a venv with requirements/engines.txt."""
    with tempfile.TemporaryDirectory(prefix="engines-") as folder:
        uv = [str(Path(sys.executable).parent / "uv"), "-q", "--system-certs"]
        subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
        python = str(Path(folder, "bin", "python"))
        lock = HERE.parents[1] / "requirements" / "engines.txt"
        subprocess.run([*uv, "pip", "sync", "--require-hashes", "--python", python, str(lock)], check=True)
        yield python
