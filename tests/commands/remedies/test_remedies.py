"""Every remedy that the source names is in docs/remedies.md, and its rows are followed as they are printed."""

import ast
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from tests.commands.places import Place, make_place
from tests.commands.remedies import world as worlds
from tests.commands.remedies.cases import CASES
from tests.commands.remedies.sayings import COMMAND, sayings
from tests.commands.remedies.table import Row, commands_in, pattern, printed, rows
from tests.commands.remedies.world import World
from tests.conftest import ROOT

TABLE, SAID = rows(ROOT), list(sayings(ROOT))
ELSEWHERE = {"sre": "sre", "demo": "demo", "by hand": ""}
"""Who else follows a row, and the suite that it is."""


def test_every_command_that_the_source_advises_is_in_the_table() -> None:
    by_file: dict[str, list[str]] = {}
    for row in TABLE:
        by_file.setdefault(row.file, []).append(row.remedy)
    missing = [
        f"{saying.file}: {saying.text}"
        for saying in SAID
        for found in COMMAND.finditer(saying.text)
        if not any(
            begin <= found.start() and found.end() <= begin + len(remedy)
            for remedy in by_file.get(saying.file, [])
            for begin in [saying.text.find(remedy)]
            if begin >= 0
        )
    ]

    assert missing == [], "give each a row in docs/remedies.md, and a case that follows it"


def test_every_row_is_still_said() -> None:
    said: dict[str, str] = {}
    for saying in SAID:
        said[saying.file] = said.get(saying.file, "") + "\n" + saying.text

    assert [row for row in TABLE if row.remedy not in said.get(row.file, "")] == []


def test_no_row_is_there_twice() -> None:
    assert [row for row, count in Counter((row.file, row.remedy) for row in TABLE).items() if count > 1] == []


def test_whoever_follows_a_row_is_there() -> None:
    for row in TABLE:
        path, _, name = row.followed.partition("::")
        if name:
            tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row
        else:
            assert row.followed in CASES or row.followed in ELSEWHERE, row
    assert {row.followed for row in TABLE} >= set(CASES)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A host's directory, and one to begin each case from."""
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp") as folder:
        (Path(folder) / "place").mkdir()
        make_place(Path(folder) / "place")
        shutil.copytree(Path(folder) / "place", Path(folder) / "original")
        yield Path(folder)


@pytest.fixture
def world(made: Path, ssh: Path, control: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    shutil.rmtree(made / "place")
    shutil.copytree(made / "original", made / "place")
    (tmp_path / "c").symlink_to(control)
    with mock_aws():
        yield worlds.build(Place(made / "place"), tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.followed, marks=[pytest.mark.long] if CASES[row.followed].slow else [])
        for row in TABLE
        if row.followed in CASES
    ],
)
def test_a_remedy_that_is_followed_as_it_is_printed_ends_well(row: Row, world: World) -> None:
    case = CASES[row.followed]
    for words in case.before:
        world.do(*words)
    case.spoil(world)
    with case.within():
        said = world.run(case.ask).said
    advice = printed(row.remedy, said)
    case.by_hand(world, said)
    for words in filter(case.runs, commands_in(advice)):
        ending = world.run([case.fill.get(word, word) for word in words])
        look = case.looks.get(" ".join(words[:2]))
        assert look in ending.said if look else ending.code == 0, ending.said
        if look:
            case.mend(world, ending.said)

    code, said = world.run(case.again or case.ask)
    assert code == 0, said
    assert not pattern(row.remedy).search(said)
