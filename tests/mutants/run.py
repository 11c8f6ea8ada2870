"""`./inv mutants`: plant faults in a package, one at a time, and see which of them its fast tests notice."""

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

from harvester.base.errors import ConfigError, HarvesterError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STATE = ROOT / ".cache" / "mutants"
REPORT = ROOT / "docs" / "mutants.md"
SEED = 20260


@dataclass(frozen=True)
class Package:
    """A table of packages.toml."""

    name: str
    root: str
    sources: list[str]
    tests: list[str]
    deselect: list[str]
    sample: int
    least: int

    @property
    def workspace(self) -> Path:
        return STATE / self.name


@dataclass(frozen=True)
class Mutant:
    """One planted fault: the lines it changes in a function, and what the tests said: killed, survived, or None yet."""

    name: str
    path: str
    function: str
    was: str
    now: str
    verdict: str | None
    seconds: float

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is, wherever its lines are."""
        return self.function, self.was, self.now


def packages() -> dict[str, Package]:
    """What is configured, by name."""
    tables = tomllib.loads((HERE / "packages.toml").read_text("utf-8"))
    return {name: Package(name, **table) for name, table in tables.items()}


def equivalents(package: str) -> dict[tuple[str, str, str], str]:
    """The reasons of a package's equivalent mutants, by `Mutant.key`."""
    rows = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).get(package, [])
    return {(row["function"], row["was"], row["now"]): row["reason"] for row in rows}


def run(package: str | None = None, *, changed: bool = False, workers: int = 1) -> int:
    """Test one package's mutants, or every package's. Raises HarvesterError.

    1 when a score is under its least, when some mutants did not run, or when an "equivalent" one was killed.
    A stopped run goes on where it stopped. Survivors are tested again, for the tests may have changed.
    With `changed`, only files that differ from the main branch are mutated, and the report stays as it is.
    """
    known = packages()
    if package and package not in known:
        raise ConfigError(f"There is no package {package!r} in tests/mutants/packages.toml, only {', '.join(known)}.")
    return max(_run_package(each, changed, workers) for each in known.values() if package in (None, each.name))


def _run_package(package: Package, changed: bool, workers: int) -> int:
    _prepare(package)
    _drive(package, "generate")
    spared = equivalents(package.name)
    chosen = _choose(package, _results(package), changed)
    waiting = [
        each.name for each in chosen if each.verdict is None or (each.verdict == "survived" and each.key not in spared)
    ]
    print(f"{package.name}: {len(chosen)} mutants, {len(waiting)} to test", flush=True)
    if waiting:
        (package.workspace / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)  # which test covers what, anew
        _drive(package, "test", str(workers), names=waiting)
    names = {each.name for each in chosen}
    results = [each for each in _results(package) if each.name in names]
    section, score = describe(package, results, spared)
    if not changed:
        _write_section(package.name, section)
    print(section)
    wrong = [each.name for each in results if each.verdict == "killed" and each.key in spared]
    for name in wrong:
        print(f"{name} is listed as equivalent, but a test noticed it: take it out of tests/mutants/equivalent.toml.")
    unfinished = any(each.verdict is None for each in results)
    return 1 if wrong or unfinished or score < package.least else 0


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


def _drive(package: Package, *arguments: str, names: list[str] | None = None) -> str:
    """Call driver.py; what `results` printed is returned, the rest goes to the terminal."""
    reading = arguments == ("results",)
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


def _results(package: Package) -> list[Mutant]:
    return [Mutant(**row) for row in json.loads(_drive(package, "results"))]


def _choose(package: Package, mutants: list[Mutant], changed: bool) -> list[Mutant]:
    if changed:
        files = _changed_files()
        mutants = [each for each in mutants if f"{package.root}/{each.path.removeprefix('src/')}" in files]
    if package.sample and len(mutants) > package.sample:
        mutants = random.Random(SEED).sample(sorted(mutants, key=lambda each: each.name), package.sample)
    return mutants


def _changed_files() -> set[str]:
    """Files that differ from where this branch left main, with what is not committed yet."""
    git = ["git", "-C", str(ROOT)]
    for main in ("origin/main", "main"):
        base = subprocess.run([*git, "merge-base", "HEAD", main], capture_output=True, text=True, check=False)
        if base.returncode == 0:
            names = subprocess.run(
                [*git, "diff", "--name-only", base.stdout.strip()], capture_output=True, text=True, check=True
            )
            return set(names.stdout.splitlines())
    raise ConfigError(
        "--changed compares with the branch main, which this checkout does not have: git fetch origin main."
    )


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
