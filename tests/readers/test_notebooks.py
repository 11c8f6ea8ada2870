"""The notebooks of docs/notebooks run on a pulled lake; five lines lead from pip install to a plot."""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import pytest
from tests.bench.month import repeat, trading_days
from tests.conftest import Figure
from tests.storage.reader.days import THURSDAY, record_thursday

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOTEBOOKS = ROOT / "docs/notebooks"
LINES = 5
WEEK = trading_days(THURSDAY, 5)
HOLIDAY = date(2026, 11, 24)
assert WEEK[0] < HOLIDAY < WEEK[-1] and HOLIDAY not in WEEK

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pulled/lake: a week with a weekend, a holiday, and a gap of INFY on each day."""
    place = tmp_path_factory.mktemp("pulled")
    record_thursday(place / "host")
    repeat(place / "host/lake", WEEK)
    (place / "pulled").mkdir()
    (place / "host/lake").rename(place / "pulled/lake")
    return place


def execute(engines: str, name: str, folder: Path) -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "files/harvester/src"), "PATH": str(Path(engines).parent)}
    command = [engines, str(HERE / "notebook.py"), str(NOTEBOOKS / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_first_plot_takes_ten_lines(engines: str, pulled: Path) -> None:
    cells = json.loads((NOTEBOOKS / "first_plot.ipynb").read_text("utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in cell["source"] if line.strip()]
    assert len(lines) <= 10
    assert execute(engines, "first_plot.ipynb", pulled)["pictures"] == 1


def test_a_model_respects_the_mask(engines: str, pulled: Path) -> None:
    """INFY has a gap of 20 s on each day: its moments are in no pair, nor does one span a night, which the notebook
    itself asserts of every stretch.
    """
    said = str(execute(engines, "model_with_mask.ipynb", pulled)["printed"])
    assert f"5 days from {THURSDAY} to 2026-11-26, without 2026-11-21, 2026-11-22, {HOLIDAY}" in said
    assert f"{3 * len(WEEK)} stretches" in said
    assert "error" in said


def test_five_lines_lead_from_pip_install_to_a_plot(engines: str, pulled: Path, figure: Figure) -> None:
    """docs/first_plot.sh counts its own lines; what it takes is recorded, and not asserted."""
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        uv = str(Path(sys.executable).parent / "uv")
        build = [
            uv,
            "build",
            "-q",
            "--wheel",
            "--no-build-isolation",
            "--out-dir",
            folder,
            str(ROOT / "files/harvester"),
        ]
        subprocess.run(build, check=True)
        [wheel] = Path(folder).glob("*.whl")
        subprocess.run([uv, "-q", "--system-certs", "venv", "--seed", f"{folder}/venv"], check=True)
        environment = {**os.environ, "PATH": f"{folder}/venv/bin:{os.environ['PATH']}", "WHEEL": str(wheel)}
        environment.pop("PYTHONPATH", None)
        began = time.monotonic()
        script = ["bash", str(ROOT / "docs/notebooks/first_plot.sh")]
        done = subprocess.run(script, capture_output=True, text=True, check=False, env=environment, cwd=pulled)
        figure("first_plot_seconds", round(time.monotonic() - began, 1), bound="<= 120", unit="s")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"{LINES} lines"
    assert (pulled / "mid.png").read_bytes().startswith(b"\x89PNG")
