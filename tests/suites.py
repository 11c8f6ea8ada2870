"""The suites behind `./inv test`: what each proves, and how they run and report."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Suite:
    """One folder of tests; `host` says that it boots lab hosts (root and some minutes)."""

    name: str
    proves: str
    host: bool = False


SUITES = (
    Suite("lint", "ruff, mypy, ansible-lint and yamllint find nothing"),
    Suite("unit", "each part does what its docstring says, bad input included"),
    Suite("property", "formats, plans, schedules and redaction hold for any input"),
    Suite("contract", "roles, settings, tasks, documents and imports keep their interfaces"),
    Suite("sdk", "the broker's own unmodified SDK gets right answers from the local exchange"),
    Suite("crash", "kills, failed system calls and torn tails lose nothing acknowledged"),
    Suite("here", "the whole data path as ordinary processes"),
    Suite("lab", "lab hosts are real and leave nothing behind", host=True),
    Suite("molecule", "the roles converge, stay converged, upgrade and roll back on booted hosts", host=True),
    Suite("demo", "one command builds a host that harvests, and the data comes home verified", host=True),
)


def choose(fast: bool, names: list[str]) -> list[Suite]:
    """The suites to run, in order; an unknown name raises ValueError naming the known ones."""
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no suite named {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = [known[name] for name in names] or list(SUITES)
    return [suite for suite in chosen if not (fast and suite.host)]


def run_suite(suite: Suite, *, long: bool) -> dict[str, Any]:
    """Run one suite in a process of its own: {"exit", "seconds", "cases", "passed", "figures"}."""
    print(f"\n== {suite.name}: {suite.proves}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        report = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "pytest", f"tests/{suite.name}", f"--figures={report}", "-rs"]
        code = subprocess.run([*command, "--long"] if long else command, cwd=ROOT, check=False).returncode
        result = json.loads(report.read_text("utf-8")) if report.exists() else {"cases": 0, "passed": 0, "figures": {}}
    return {"exit": code, "seconds": round(time.monotonic() - began, 1), **result}


def merge(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One report over all suites; with more than one, figure names carry the suite's name."""
    single = len(results) == 1
    figures = {
        key if single else f"{name}.{key}": row
        for name, result in results.items()
        for key, row in result["figures"].items()
    }
    total = {key: sum(result[key] for result in results.values()) for key in ("cases", "passed")}
    return {**total, "figures": figures}


def run(*, fast: bool = False, names: list[str] | None = None, long: bool = False, report: Path | None = None) -> int:
    """Run the chosen suites, print a table and one closing line, write the JSON report; 0 when all passed."""
    results = {suite.name: run_suite(suite, long=long) for suite in choose(fast, names or [])}
    merged = merge(results)
    if report:
        report.write_text(json.dumps(merged, indent=2) + "\n", encoding="utf-8")
    print("\nsuite         seconds   cases  passed")
    for name, result in results.items():
        verdict = "" if result["exit"] == 0 else f"   FAILED (exit {result['exit']})"
        print(f"{name:<12} {result['seconds']:>8} {result['cases']:>7} {result['passed']:>7}{verdict}")
    broken = [name for name, result in results.items() if result["exit"] != 0]
    failed = max(merged["cases"] - merged["passed"], len(broken))
    print(f"\n{merged['passed']} passed, {failed} failed", flush=True)
    return 1 if failed else 0
