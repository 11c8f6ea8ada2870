"""`./inv mutants`: plant faults in a package, one at a time, and see which of them its fast tests notice."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.changes import changed_files, left_main

from harvester.base.errors import ConfigError, HarvesterError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STATE = ROOT / ".cache" / "mutants"
REPORT = ROOT / "docs" / "mutants.md"
SEED = 20260


@dataclass(frozen=True, eq=False)
class Package:
    """A table of packages.toml."""

    name: str
    root: str
    sources: list[str]
    tests: list[str]
    deselect: list[str]
    sample: int
    least: int
    workspace: Path


@dataclass(frozen=True)
class Place:
    """Where a mutant is: a file below the workspace, and a function such as "writer.JournalWriter.sync"."""

    name: str
    path: str
    function: str


@dataclass(frozen=True)
class Mutant(Place):
    """One planted fault: the lines it changes in a function, and what the tests said: killed, survived, or None yet."""

    was: str
    now: str
    verdict: str | None
    seconds: float

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is, wherever its lines are."""
        return self.function, self.was, self.now


def packages(state: Path = STATE) -> dict[str, Package]:
    """What is configured, by name; each has its workspace below `state`."""
    tables = tomllib.loads((HERE / "packages.toml").read_text("utf-8"))
    return {name: Package(name, **table, workspace=state / name) for name, table in tables.items()}


def equivalents(package: str) -> dict[tuple[str, str, str], str]:
    """The reasons of a package's equivalent mutants, by `Mutant.key`."""
    rows = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).get(package, [])
    return {(row["function"], row["was"], row["now"]): row["reason"] for row in rows}


def run(package: str | None = None, *, changed: bool = False, workers: int = 1) -> int:
    """Test one package's mutants, or every package's, and write the report. Raises HarvesterError.

    1 when a score is under its least, when some mutants did not run, or when an "equivalent" one was killed.
    A stopped run goes on where it stopped. Survivors are tested again, for the tests may have changed.
    With `changed`, only files that differ from main are mutated, and the report stays as it is.
    """
    known = packages()
    if package and package not in known:
        raise ConfigError(f"There is no package {package!r} in tests/mutants/packages.toml, only {', '.join(known)}.")
    return max(run_package(each, changed, workers) for each in known.values() if package in (None, each.name))


def run_package(package: Package, changed: bool, workers: int, *, report: bool = True) -> int:
    """The same for one package, anywhere."""
    generate(package)
    spared = equivalents(package.name)
    names = [each.name for each in _choose(package, listed(package), changed)]
    if not names and not changed:
        raise ConfigError(f"{package.name} has no mutants: {package.workspace} is of another checkout. Remove it.")
    waiting = [
        each.name
        for each in results(package, names)
        if each.verdict is None or (each.verdict == "survived" and each.key not in spared)
    ]
    print(f"{package.name}: {len(names)} mutants, {len(waiting)} to test", flush=True)
    if waiting:
        forget_reach(package)
        drive(package, "test", str(workers), names=waiting)
    found = results(package, names)
    section, score = describe(package, found, spared)
    if report and not changed:
        _write_section(package.name, section)
    print(section)
    wrong = [each.name for each in found if each.verdict == "killed" and each.key in spared]
    for name in wrong:
        print(f"{name} is listed as equivalent, but a test noticed it: take it out of tests/mutants/equivalent.toml.")
    unfinished = any(each.verdict is None for each in found)
    return 1 if wrong or unfinished or score < package.least else 0


def forget_reach(package: Package) -> None:
    """Have mutmut run all tests and note which reach what, except where tests and source are as when it did so last."""
    noted, of = (package.workspace / "mutants" / name for name in ("mutmut-stats.json", "mutmut-stats.of"))
    files = (path for folder in (ROOT / "tests", ROOT / package.root) for path in folder.rglob("*"))
    now = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file() and path.suffix != ".pyc"):
        now.update(f"{path} {path.stat().st_size}\n".encode() + path.read_bytes())
    if not of.exists() or of.read_text("utf-8") != now.hexdigest():
        noted.unlink(missing_ok=True)
        of.write_text(now.hexdigest(), "utf-8")


def generate(package: Package) -> None:
    """Write every mutant of the package into its workspace; verdicts on functions that did not change are kept."""
    _prepare(package)
    drive(package, "generate")


def _prepare(package: Package) -> None:
    """Make the workspace: links to the source, the tests and the settings, and mutmut's own configuration."""
    inner = package.workspace / "mutants"
    inner.mkdir(parents=True, exist_ok=True)
    links = {
        package.workspace / "src": ROOT / package.root,
        **{inner / name: ROOT / name for name in ("tests", "pyproject.toml")},
    }
    for link, target in links.items():
        if not link.is_symlink():
            link.symlink_to(target)
    arguments = ["-p", "no:cacheprovider", *(f"--deselect={test}" for test in package.deselect)]
    lines = {
        "source_paths": ["src"],
        "only_mutate": [f"src/{source}" for source in package.sources],
        "pytest_add_cli_args": arguments,
        "pytest_add_cli_args_test_selection": package.tests,
    }
    text = "\n".join(f"{key} =\n" + "\n".join(f"  {value}" for value in values) for key, values in lines.items())
    text = f"[mutmut]\nuse_git_change_detection = false\ntimeout_multiplier = 15\n{text}\n"
    settings = package.workspace / "setup.cfg"
    if not settings.exists() or settings.read_text("utf-8") != text:
        settings.write_text(text, "utf-8")


def drive(package: Package, *arguments: str, names: list[str] | None = None) -> str:
    """Call driver.py; JSON that it printed is returned, the rest goes to the terminal. Raises HarvesterError."""
    reading = arguments[0] in ("names", "results")
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "driver.py"), *arguments],
        cwd=package.workspace,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        input="\n".join(names or []),
        stdout=subprocess.PIPE if reading else None,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HarvesterError(
            f"{package.name}: mutmut stopped with {done.returncode}; what it said stands above. Its state is in"
            f" {package.workspace}: run the command again to go on, or delete that folder to begin anew."
        )
    return done.stdout or ""


def listed(package: Package) -> list[Place]:
    """Every mutant that was generated."""
    return [Place(**row) for row in json.loads(drive(package, "names"))]


def results(package: Package, names: list[str]) -> list[Mutant]:
    """The mutants of these names, with their verdicts."""
    return [Mutant(**row) for row in json.loads(drive(package, "results", names=names))]


def _choose(package: Package, mutants: list[Place], changed: bool) -> list[Place]:
    if changed:
        files = changed_files(left_main())
        mutants = [each for each in mutants if source_of(package, each.path) in files]
    if package.sample and len(mutants) > package.sample:
        mutants = random.Random(SEED).sample(sorted(mutants, key=lambda each: each.name), package.sample)
    return mutants


def source_of(package: Package, path: str) -> str:
    """A file of the workspace as it is named in the repository."""
    return f"{package.root}/{path.removeprefix('src/')}"


def describe(package: Package, results: list[Mutant], spared: dict[Any, str]) -> tuple[str, float]:
    """The package's section of the report, and its score: killed of those that are not equivalent, in percent."""
    killed = [each for each in results if each.verdict == "killed"]
    alike = [each for each in results if each.verdict == "survived" and each.key in spared]
    survived = [each for each in results if each.verdict == "survived" and each.key not in spared]
    tested = len(killed) + len(survived)
    score = 100 * len(killed) / tested if tested else 100.0
    seconds = sum(each.seconds for each in results) / max(1, len(results))
    lines = [
        f"## {package.name}",
        "",
        f"{_list(package.sources)}; {f'a sample of {package.sample}' if package.sample else 'every mutant'}; asked:"
        f" {_list(package.tests)}.",
        "",
        "| mutants | killed | survived | equivalent | not run | score | s a mutant |",
        "|---|---|---|---|---|---|---|",
        f"| {len(results)} | {len(killed)} | {len(survived)} | {len(alike)} | {len(results) - tested - len(alike)}"
        f" | {score:.1f} % | {seconds:.2f} |",
    ]
    if survived:
        lines += ["", "| survived in | was | now |", "|---|---|---|"]
        lines += [f"| {each.function} | {_code(each.was)} | {_code(each.now)} |" for each in survived]
    return "\n".join(lines) + "\n", score


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def _write_section(name: str, section: str) -> None:
    """Replace the package's section, or add it at the end."""
    text = REPORT.read_text("utf-8")
    found = re.search(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    before, after = (text[: found.start()], text[found.end() :]) if found else (text.rstrip("\n") + "\n\n", "")
    REPORT.write_text(f"{before}{section}" + (f"\n{after}" if after else ""), "utf-8")
