"""Tables that say which test proves what: each test that they name is there."""

import ast
import re
from pathlib import Path

import pytest

TABLES = {"application": ("## The users' checklist", 9)}
"""Suites whose README has such a table, its heading, and how many rows it has at least."""
NAMED = re.compile(r"`([^`]*)::(\w+)`|`((?:[\w/]+/)?test_\w+\.py)`")


def rows(root: Path, suite: str) -> list[tuple[str, list[tuple[Path, str]]]]:
    """What is to be ticked, and the tests of each: file and function; empty where a whole file is named.

    A name without a file is of the file before it; a file without a folder is of the suite.
    """
    heading, _ = TABLES[suite]
    text = (root / "tests" / suite / "README.md").read_text("utf-8").partition(heading + "\n")[2]
    found = []
    for line in re.findall(r"^\| (?!to tick|---)(.*) \|$", text, re.MULTILINE):
        what, _, proven = line.partition(" | ")
        tests: list[tuple[Path, str]] = []
        for file, function, alone in NAMED.findall(proven):
            named = file or alone
            place = tests[-1][0] if not named else root / "tests" / (named if "/" in named else f"{suite}/{named}")
            tests.append((place, function))
        found.append((what, tests))
    return found


def functions(path: Path) -> dict[str, bool]:
    """The tests of a file, and whether each needs `--long`."""
    tree = ast.parse(path.read_text("utf-8"))
    whole = any(
        "mark.long" in ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    )
    return {
        node.name: whole or any("mark.long" in ast.unparse(one) for one in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("suite", TABLES)
def test_each_row_names_tests_that_are_there(suite: str, root: Path) -> None:
    table = rows(root, suite)

    assert len(table) >= TABLES[suite][1]
    assert [what for what, tests in table if not tests] == [], "a row that no test proves"
    assert [str(path) for _, tests in table for path, _ in tests if not path.is_file()] == []
    missing = [(path.name, name) for _, tests in table for path, name in tests if name and name not in functions(path)]
    assert missing == []


@pytest.mark.parametrize("suite", TABLES)
def test_a_star_says_which_of_them_need_long(suite: str, root: Path) -> None:
    text = (root / "tests" / suite / "README.md").read_text("utf-8")
    starred = dict.fromkeys(re.findall(r"::(\w+)`(\*)", text), True)
    named = {name: functions(path)[name] for _, tests in rows(root, suite) for path, name in tests if name}
    stars = {name for name, _ in starred}

    assert {name for name, is_long in named.items() if is_long} == stars & named.keys()
