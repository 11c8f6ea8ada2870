"""The suites behind `./inv test`, and how they run and report."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
WORKERS, FAST_WORKERS = 3, 5  # on two cores: many cases wait for clocks and processes
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of one user is made below it
LEAST_MEMORY = 2 << 30  # bytes that must be free; the fast suites hold 330 MiB at most


@dataclass(frozen=True)
class Suite:
    """A folder of tests; its README says in the first line what it proves.

    `packages`: a file in requirements/ with packages of the distribution that its tests skip without.
    `slow`: left out by --fast. `alone`: its figures are times, and need the machine to themselves.
    """

    name: str
    slow: bool = False
    alone: bool = False
    packages: str = ""

    @property
    def proves(self) -> str:
        """The first line of its README."""
        return (ROOT / "tests" / self.name / "README.md").read_text("utf-8").partition("\n")[0]


SUITES = (  # those that run side by side start in this order: the long ones first, and with each some that mostly wait
    Suite("rollout", slow=True),
    Suite("sre", slow=True),
    Suite("jobs", slow=True),
    Suite("application", slow=True),
    Suite("aws", slow=True),
    Suite("aws_days", slow=True),
    Suite("here", slow=True),
    Suite("streams", slow=True),
    Suite("lab", slow=True),
    Suite("lint", slow=True),
    Suite("tokens", slow=True, packages="apt-tokens.txt"),
    Suite("mutants", slow=True),
    Suite("property"),
    Suite("contract", slow=True),
    Suite("storage"),
    Suite("recorder"),
    Suite("operator"),
    Suite("commands"),
    Suite("playbooks", slow=True),
    Suite("candles", slow=True),
    Suite("postgres", slow=True, packages="apt-postgresql.txt"),
    Suite("database", slow=True, packages="apt-postgresql.txt"),
    Suite("field", slow=True),
    Suite("s3", slow=True),
    Suite("readers", slow=True),
    Suite("workers"),
    Suite("us"),
    Suite("live", slow=True, packages="apt-tokens.txt"),
    Suite("golden"),
    Suite("differential", slow=True),
    Suite("fuzz", slow=True),
    Suite("service", slow=True, alone=True),
    Suite("crash", slow=True, alone=True),
    Suite("sdk", slow=True, alone=True),
    Suite("molecule", slow=True, alone=True),
    Suite("demo", slow=True, alone=True, packages="apt-tokens.txt"),
)


def choose(fast: bool, names: list[str]) -> list[Suite]:
    """The suites to run, in order; an unknown name raises ConfigError naming the known ones."""
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"There is no suite named {', '.join(unknown)}. There are: {', '.join(known)}.")
    chosen = [known[name] for name in names] or list(SUITES)
    return [suite for suite in chosen if not (fast and suite.slow)]


def run_suite(
    suite: Suite, options: list[str], *, capture: bool = False, scratch: Path | None = None
) -> dict[str, Any]:
    """Run one suite in a process of its own: {"exit", "seconds", "cases", "passed", "failed", "figures"}.

    With `capture` its output is printed in one piece at its end; with `scratch` its files are below that folder, and
    removed at its end.
    """
    heading = f"\n== {suite.name}: {suite.proves}"
    install(suite.packages)
    if not capture:
        print(heading, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="suite-", dir=scratch) as folder:
        report = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "pytest", f"tests/{suite.name}", f"--figures={report}", "-rs", *options]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} if capture else {}
        env = {**os.environ, "TMPDIR": folder} if scratch else None
        done = subprocess.run(command, cwd=ROOT, env=env, check=False, **output)  # type: ignore[call-overload]
        nothing = {"cases": 0, "passed": 0, "failed": [], "figures": {}}
        result = json.loads(report.read_text("utf-8")) if report.exists() else nothing
    if capture:
        print(f"{heading}\n{done.stdout}", end="", flush=True)
    return {"exit": done.returncode, "seconds": round(time.monotonic() - began, 1), **result}


def install(packages: str) -> None:
    """Bring what is missing from the distribution, where this user may; without it, tests skip and say why."""
    if not packages or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    lines = (ROOT / "requirements" / packages).read_text("utf-8").splitlines()
    wanted = [name for line in lines if (name := line.partition("#")[0].strip())]
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\n", *wanted], capture_output=True, text=True)
    if asked.returncode == 0 and set(asked.stdout.split()) == {"installed"}:
        return
    print(f"installing from the distribution: {' '.join(wanted)}", file=sys.stderr, flush=True)
    quiet = {"check": False, "stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "-qq", "update"], **quiet)  # type: ignore[call-overload]
    subprocess.run(["apt-get", "-qq", "-y", "--no-install-recommends", "install", *wanted], **quiet)  # type: ignore[call-overload]


def memory() -> Path | None:
    """Where files are in memory and a sync costs nothing; None when there is too little of it, as in a container."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= LEAST_MEMORY else None


def run_suites(
    suites: list[Suite], options: list[str], *, workers: int = WORKERS, scratch: Path | None = None
) -> dict[str, dict[str, Any]]:
    """The results by name, of pytest with these options. What can runs side by side, and the rest after it."""
    shared = [suite for suite in suites if not suite.alone]
    if len(shared) < 2:
        shared = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        together = pool.map(lambda suite: run_suite(suite, options, capture=True, scratch=scratch), shared)
        results = {suite.name: result for suite, result in zip(shared, together, strict=True)}
    results |= {suite.name: run_suite(suite, options, scratch=scratch) for suite in suites if suite not in shared}
    return {suite.name: results[suite.name] for suite in suites}


def merge(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One report over all suites; with more than one, figure names carry the suite's name."""
    single = len(results) == 1
    figures = {
        key if single else f"{name}.{key}": row
        for name, result in results.items()
        for key, row in result["figures"].items()
    }
    total = {key: sum(result[key] for result in results.values()) for key in ("cases", "passed")}
    return {**total, "failed": [case for result in results.values() for case in result["failed"]], "figures": figures}


def run(*, fast: bool = False, names: list[str] | None = None, long: bool = False, report: Path | None = None) -> int:
    """Run the chosen suites, print a table and one closing line, write the JSON report; 0 when all passed."""
    options = [*(["--few"] if fast else []), *(["--long"] if long else [])]
    how: dict[str, Any] = {"workers": FAST_WORKERS, "scratch": memory()} if fast else {}
    results = run_suites(choose(fast, names or []), options, **how)
    merged = merge(results)
    if report:
        report.write_text(json.dumps(merged, indent=2) + "\n", encoding="utf-8")
    print("\nsuite         seconds   cases  passed")
    for name, result in results.items():
        verdict = "" if result["exit"] == 0 else f"   FAILED (exit {result['exit']})"
        print(f"{name:<12} {result['seconds']:>8} {result['cases']:>7} {result['passed']:>7}{verdict}")
    broken = [name for name, result in results.items() if result["exit"] != 0]
    failed = max(merged["cases"] - merged["passed"], len(broken))
    for case in merged["failed"]:
        print(f"failed: {case}")
    print(f"\n{merged['passed']} passed, {failed} failed", flush=True)
    return 1 if failed else 0
