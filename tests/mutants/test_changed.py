"""Would the tests notice a fault in what changed? Mutants of the changed functions, as many as fit; all with --long.

What ran within the time depends on the machine, so the verdict must not: a package fails only when more mutants of its
changed functions survived than its least score leaves to all of them together. More time can then only add survivors.
"""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.mutants import changes
from tests.mutants.run import (
    SEED,
    Mutant,
    Package,
    drive,
    equivalents,
    generate,
    listed,
    packages,
    results,
    run_package,
    source_of,
)

from harvester.base.errors import ConfigError

SECONDS = 60.0
"""For mutants; with the reading of what changed and of the verdicts it is within 90 s."""
FEW = 3
"""Survivors that are reported and no more: a share of a few mutants says nothing."""


def too_many(total: int, least: int) -> int:
    """From how many survivors on `total` mutants cannot reach the score `least`."""
    return max(FEW, total * (100 - least) // 100) + 1


def narrowed(package: Package, files: set[str]) -> Package:
    """The package with those of its files alone."""
    root = changes.ROOT / package.root
    mine = {path.relative_to(root).as_posix() for source in package.sources for path in root.glob(source)}
    return replace(package, sources=sorted(each for each in mine if f"{package.root}/{each}" in files))


def changed_mutants(package: Package, base: str) -> list[str]:
    """The names of its changed functions' mutants, in an order of their own."""
    functions = {
        file: changes.changed_functions(file, base)
        for file in (f"{package.root}/{source}" for source in package.sources)
    }
    if not any(functions.values()):
        return []
    generate(package)
    names = sorted(
        each.name
        for each in listed(package)
        if each.function.partition(".")[2] in functions.get(source_of(package, each.path), ())
    )
    random.Random(SEED).shuffle(names)
    return names


def test_changed_functions_are_tested_as_their_package_is(tmp_path: Path, figure: Callable[..., None]) -> None:
    deadline = time.monotonic() + SECONDS
    try:
        base = changes.left_main()
    except ConfigError as error:
        pytest.skip(str(error))
    files = changes.changed_files(base)
    known = [narrowed(package, files) for package in packages(tmp_path).values()]
    chosen = {package: changed_mutants(package, base) for package in known}
    ran, survivors, failed = 0, [], []
    for package in sorted(chosen, key=lambda package: -len(chosen[package])):
        names, left = chosen[package], deadline - time.monotonic()
        if not names or left < 1:
            continue
        drive(package, "test", "2", str(left), names=names)
        spared = equivalents(package.name)
        told = [each for each in results(package, names) if each.verdict]
        found = [each for each in told if each.verdict == "survived" and each.key not in spared]
        ran, survivors = ran + len(told), survivors + found
        if len(found) >= too_many(len(names), package.least):
            failed.append(package.name)
    figure("changed_mutants", sum(map(len, chosen.values())), bound=">= 0", unit="mutants")
    figure("changed_mutants_run", ran, bound=">= 0", unit="mutants")
    figure("changed_mutants_survived", len(survivors), bound=f"<= {ran}", unit="mutants")
    text = "\n".join(map(line, survivors))
    print(text)
    assert failed == [], text


def line(mutant: Mutant) -> str:
    return f"survived in {mutant.function}: {mutant.was} -> {mutant.now}"


@pytest.mark.long
@pytest.mark.parametrize("name", packages())
def test_a_whole_package_reaches_its_score(tmp_path: Path, name: str) -> None:
    assert run_package(packages(tmp_path)[name], False, 2, report=False) == 0


def test_a_red_verdict_does_not_depend_on_how_many_ran() -> None:
    assert [too_many(total, 90) for total in (0, 5, 30, 39, 40, 50, 300)] == [4, 4, 4, 4, 5, 6, 31]
    assert too_many(100, 95) == 6
    for total in (40, 300):
        survived = too_many(total, 90)
        assert 100 * (total - survived) / total < 90 <= 100 * (total - survived + 1) / total


def test_a_function_is_changed_by_its_code_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = "def same(): return 1\ndef other(): return 1\nclass C:\n    def m(self): return 1\n    def n(self): ...\n"
    now = before.replace("def same(): return 1", "# a remark\ndef same():\n    return 1").replace(
        "m(self): return 1", "m(self): return 2"
    )
    (tmp_path / "m.py").write_text(now + "async def new(): ...\n")
    monkeypatch.setattr(changes, "ROOT", tmp_path)
    monkeypatch.setattr(changes, "git", lambda *words: before if words == ("show", "abc:m.py") else None)
    assert changes.changed_functions("m.py", "abc") == {"C.m", "new"}
    assert changes.changed_functions("m.py", "gone") == {"same", "other", "C.m", "C.n", "new"}


@pytest.mark.parametrize(
    ("known", "base"),
    [
        ({"HEAD": "c3", "origin/main": "c1"}, "c1"),
        ({"HEAD": "c3", "main": "c1"}, "c1"),
        ({"HEAD": "c3", "origin/main": "c3", "HEAD^1": "c2"}, "c2"),
        ({"HEAD": "c3", "origin/main": "c3", "main": "c1", "HEAD^1": "c2"}, "c2"),
        ({"HEAD": "c3", "HEAD^1": "c2"}, "c2"),
        ({"HEAD": "c3"}, None),
        ({}, None),
    ],
)
def test_a_branch_is_compared_with_main_and_main_with_the_landing_before(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, str], base: str | None
) -> None:
    def git(*words: str) -> str | None:
        commit = known.get(words[-1])
        return f"{commit}\n" if commit else None

    monkeypatch.setattr(changes, "git", git)
    if base:
        assert changes.left_main() == base
        return
    with pytest.raises(ConfigError, match="git fetch --unshallow origin"):
        changes.left_main()
