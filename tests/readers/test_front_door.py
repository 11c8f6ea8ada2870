"""The reader's answers as polars, pandas and DuckDB have them, and its grid against polars' asof joins by hand."""

import os
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest
from tests.storage.lake.sockets import INFY, SBIN
from tests.storage.reader.days import FRIDAY, SECONDS, TCS, THURSDAY, opening, record_all

from harvester.base.clock import NS_PER_SECOND
from harvester.reader import open_lake

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```python(?: polars)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_all(tmp_path_factory.mktemp("front"))


def run(python: str, root: Path, *arguments: str, folder: Path | None = None) -> str:
    """Run the engines' Python with our packages on its path."""
    path = {**os.environ, "PYTHONPATH": str(root / "files/harvester/src")}
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False, env=path, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.long
@pytest.mark.parametrize(("day", "symbol"), [(THURSDAY, SBIN), (THURSDAY, INFY), (FRIDAY, TCS)])
def test_frames_and_the_grid_are_what_each_library_gives(
    engines: str, root: Path, folder: Path, day: date, symbol: str
) -> None:
    opens = opening(day)
    closes = opens + SECONDS * NS_PER_SECOND
    said = run(engines, root, str(HERE / "front_door.py"), str(folder), str(day), symbol, str(opens), str(closes))
    assert said == f"checked {day} {symbol}\n"


@pytest.mark.long
def test_each_example_of_the_page_runs_with_polars_too(engines: str, root: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "pulled").mkdir()
    (tmp_path / "pulled" / "lake").symlink_to(folder)
    blocks = BLOCK.findall((root / "docs/reading.md").read_text("utf-8"))
    assert len(blocks) == 5
    rows = len(open_lake(folder).depth(["SBIN", "INFY"]).arrow())
    assert run(engines, root, "-c", "\n".join([*blocks, "print(rows)"]), folder=tmp_path) == f"{rows}\n"
