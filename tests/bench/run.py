"""The benchmarks behind `./inv bench`. Figures are CPU seconds, bytes and ratios of one run.

So others may use the machine meanwhile. A figure out of its bound makes the run fail; the test suites gate on none.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tests.bench.report import Report
from tests.conftest import ROOT

from harvester.base.errors import ConfigError

MEASURED = (
    "capture",
    "decode",
    "lake",
    "close",
    "storage",
    "recovery",
    "load",
    "stalls",
    "s3",
    "reader",
    "deliver",
    "rows",
    "page",
    "backfill",
    "database",
)
TESTED = ("pull",)
"""Benchmarks that are tests, for the servers that the tests have."""


def run(*, name: str | None = None, long: bool = False, report: Path | None = None) -> int:
    """Run one benchmark or all; exit code 1 when a figure is out of its bound. Raises ConfigError."""
    names = [name] if name else [*MEASURED, *TESTED]
    if unknown := {*names} - {*MEASURED, *TESTED}:
        known = ", ".join((*MEASURED, *TESTED))
        raise ConfigError(f"There is no benchmark named {', '.join(unknown)}. There are: {known}.")
    found = Report()
    failed = False
    for each in names:
        print(f"\n== {each}", flush=True)
        if each in TESTED:
            failed |= _run_tests(each, found) != 0
        else:
            measure: Callable[..., None] = import_module(f"tests.bench.bench_{each}").run
            measure(found, long=long)
    if report:
        found.write(report)
    if found.missed:
        print(f"out of their bounds: {', '.join(found.missed)}")
    return int(failed or bool(found.missed))


def _run_tests(name: str, report: Report) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        target = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "pytest", f"tests/bench/bench_{name}.py", "--figures", str(target)]
        done = subprocess.run(command, cwd=ROOT, check=False)
        figures = json.loads(target.read_text("utf-8"))["figures"] if target.exists() else {}
    for figure, row in figures.items():
        report.figure(figure, row["value"], bound=row["bound"], unit=row["unit"])
    return done.returncode
