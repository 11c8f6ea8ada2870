"""Runs the golden parts, and compares what they give with what is committed."""

import difflib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXPECTED = HERE / "expected"
PARTS = {
    "recorder": ("tests.golden.recorder",),
    "made": ("tests.golden.lake", "made"),
    "recorded": ("tests.golden.lake", "recorded"),
    "host": ("tests.golden.host",),
}
"""Name of each part, and the process that makes its artefacts."""
SHOWN_LINES = 60
"""Of a difference, in a test's message; the command shows all."""


class GoldenRunError(Exception):
    """A golden part did not run to its end."""


def make(part: str) -> dict[str, str]:
    """Every artefact of a part, by its name below expected/<part>. Raises GoldenRunError with what was said."""
    with tempfile.TemporaryDirectory(prefix=f"golden-{part}-") as folder:
        return run_part(part, Path(folder))


def run_part(part: str, folder: Path) -> dict[str, str]:
    """Make a part in an empty directory, and leave there what it wrote. Raises GoldenRunError."""
    module, *arguments = PARTS[part]
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise GoldenRunError(f"{module} {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def committed(part: str) -> dict[str, str]:
    """What is committed of a part."""
    folder = EXPECTED / part
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differences(expected: dict[str, str], found: dict[str, str]) -> dict[str, list[str]]:
    """The lines of a unified diff for each artefact that differs, is missing or is new."""
    names = sorted(expected.keys() | found.keys())
    return {
        name: list(
            difflib.unified_diff(
                expected.get(name, "").splitlines(),
                found.get(name, "").splitlines(),
                f"committed/{name}" if name in expected else "/dev/null",
                f"now/{name}" if name in found else "/dev/null",
                n=0,
                lineterm="",
            )
        )
        or ["(only the ends of lines differ)"]
        for name in names
        if expected.get(name) != found.get(name)
    }


def write(part: str, found: dict[str, str]) -> None:
    """Commit to these artefacts: files that no longer come out are removed."""
    folder = EXPECTED / part
    for name in committed(part).keys() - found.keys():
        (folder / name).unlink()
    for name, text in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
