"""Venvs of packages that the controller has not, each from its lock, for as long as they are needed."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def making(lock: str) -> Iterator[str]:
    """The Python of a venv of requirements/<lock>.txt."""
    with tempfile.TemporaryDirectory(prefix=f"{lock}-") as folder:
        uv = [str(Path(sys.executable).parent / "uv"), "-q", "--system-certs"]
        subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
        python = str(Path(folder, "bin", "python"))
        packages = str(ROOT / "requirements" / f"{lock}.txt")
        sync = [*uv, "pip", "sync", "--require-hashes", "--compile-bytecode", "--python", python, packages]
        subprocess.run(sync, check=True)  # compiled once: an engine's many processes would each do it anew
        yield python
