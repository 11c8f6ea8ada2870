"""The list of equivalent mutants is of today's code, and the packages' configuration of today's files."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from tests.mutants import run
from tests.mutants.run import Mutant, Package, describe, equivalents, packages

from harvester.base.errors import ConfigError

PACKAGES = packages()
ENTRIES = [(package, key, reason) for package in PACKAGES for key, reason in equivalents(package).items()]


def source_of(root: Path, package: Package, function: str) -> str:
    """The lines of a function such as "writer.JournalWriter.sync", joined by spaces as in Mutant.was."""
    module, *names = function.split(".")
    sources = (path for source in package.sources for path in (root / package.root).glob(source))
    (found,) = (lines for path in sources if path.stem == module and (lines := lines_of(path, names)))
    return " ".join(found)


def lines_of(path: Path, names: list[str]) -> list[str]:
    """The lines of the function of these names, without indentation; none where the file has no such function."""
    text = path.read_text("utf-8")
    node: ast.AST | None = ast.parse(text)
    for name in names:
        node = next((child for child in ast.walk(node) if getattr(child, "name", None) == name), None) if node else None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    return [line.strip() for line in text.splitlines()[node.lineno - 1 : node.end_lineno]]


@pytest.mark.parametrize(("name", "key", "reason"), ENTRIES)
def test_an_entry_names_code_that_is_there_and_says_why(
    root: Path, name: str, key: tuple[str, str, str], reason: str
) -> None:
    function, was, now = key
    assert was and was != now and was in source_of(root, PACKAGES[name], function)
    assert len(reason.split()) >= 4


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_source_and_tests_of_a_package_are_there(root: Path, package: Package) -> None:
    named = [
        *package.tests,
        *(test.partition("::")[0] for test in package.deselect),
    ]
    assert [path for path in named if not (root / path).exists()] == []
    assert [source for source in package.sources if not list((root / package.root).glob(source))] == []


def test_the_score_leaves_out_what_is_equivalent_and_lists_what_survived() -> None:
    def mutant(now: str, verdict: str | None) -> Mutant:
        return Mutant(f"m__{now}", "src/m.py", "m.f", "a | b", now, verdict, 0.5)

    found = [mutant("1", "killed"), mutant("2", "survived"), mutant("3", "survived"), mutant("4", None)]
    text, score = describe(PACKAGES["journal"], found, {found[1].key: "it is the same number"})
    assert score == 50
    assert "| 4 | 1 | 1 | 1 | 1 | 50.0 % | 0.50 |" in text
    assert [line for line in text.splitlines() if "m.f" in line] == [r"| m.f | `a \| b` | `3` |"]


def test_which_test_reaches_what_is_noted_anew_when_a_test_or_the_source_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    package = replace(PACKAGES["journal"], root="src", workspace=tmp_path / "state")
    test, source, noted = (
        tmp_path / "tests/a/test_m.py",
        tmp_path / "src/m.py",
        tmp_path / "state/mutants/mutmut-stats.json",
    )
    for path, text in ((test, "one"), (source, "one"), (noted, "of another time")):
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")

    def is_kept() -> bool:
        run.forget_reach(package)
        kept = noted.exists()
        noted.write_text("{}", "utf-8")
        return kept

    assert [is_kept(), is_kept()] == [False, True]
    for path in (test, source):
        path.write_text("two", "utf-8")  # of the same size
        assert [is_kept(), is_kept()] == [False, True]
    test.rename(test.with_name("test_n.py"))
    assert [is_kept(), is_kept()] == [False, True]


def test_a_package_without_mutants_is_no_package_whose_mutants_are_all_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where its state came from another checkout."""
    monkeypatch.setattr(run, "generate", lambda package: None)
    monkeypatch.setattr(run, "listed", lambda package: [])

    with pytest.raises(ConfigError, match="journal has no mutants"):
        run.run_package(PACKAGES["journal"], changed=False, workers=1)
