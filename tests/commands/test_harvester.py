"""The table of docs/exit-codes.md for `harvester`, cell by cell."""

import io
import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.commands.failures import FAILURES, Failure, documented
from tests.commands.places import BUCKET, NOW_NS, Place, commands, give, make_place
from tests.conftest import ROOT
from tests.journals import OPEN_NS
from tests.recorder.fakes import make_token

from harvester import cli
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.commands import renew
from harvester.upload import retries

TABLE = documented(ROOT)
GOOD = make_token(4_000_000_000)
ENDLESS = ("run", "token-agent")
UNWELL = {"health": 3, "notify-test": 2, "config topics": 1, "upload": 1}
"""Exit codes of a place without recorder, channels and network, in which nothing else is wrong."""
SAYS_IT_IN_ITS_ANSWER = ("sessions", "verify", "recover")
IN_SESSION_NS = OPEN_NS + 50 * NS_PER_SECOND
Ending = tuple[int, str, str]


@pytest.fixture(scope="module")
def original() -> Iterator[Place]:
    """A place where any user may go, which each case finds as new."""
    with tempfile.TemporaryDirectory(prefix="place-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "place").mkdir()
        made = make_place(Path(folder) / "place")
        shutil.copytree(made.root, made.root.with_name("original"))
        yield made


@pytest.fixture
def place(original: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    original.root.chmod(0o700)
    shutil.rmtree(original.root)
    shutil.copytree(original.root.with_name("original"), original.root)
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: NOW_NS)
    monkeypatch.setattr(renew, "PAUSES_SECONDS", ())
    monkeypatch.setattr(retries, "TRIES", 1)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return original


@pytest.fixture
def run(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ending]:
    """How a command ends in the place, after a failure was made: exit code, standard output, standard error."""

    def end(name: str, failure: Failure | None = None) -> Ending:
        arguments = commands(place)[name]
        given = failure.given(name, arguments) if failure else arguments
        option = [] if name == "token-check" else ["--config", str(place.config)]
        monkeypatch.setattr(sys, "stdin", io.StringIO((failure and failure.stdin) or GOOD))
        if name == "remind":
            monkeypatch.setattr(SystemClock, "wall_ns", lambda _: IN_SESSION_NS)
        if name == "upload":
            place.configure(upload=BUCKET)
        if failure and failure.as_nobody:
            give(place.root)
        if failure:
            failure.spoil(place)
        try:
            with failure.within(place) if failure else nullcontext():
                code = cli.run([given[0], *option, *given[1:]])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else -1
        said = capsys.readouterr()
        return code, said.out, said.err

    return end


def test_the_table_names_every_command_and_every_failure(tmp_path: Path) -> None:
    named = {command for command, _ in TABLE}

    assert named == set(commands(Place(tmp_path)))
    assert {name.split()[0] for name in named} == set(cli.COMMANDS)
    assert {failure for _, failure in TABLE} == set(FAILURES)


@pytest.mark.parametrize("name", [name for name in commands(Place(Path())) if name not in ENDLESS])
def test_a_command_does_its_work_where_nothing_is_wrong(name: str, run: Callable[..., Ending]) -> None:
    code, _, complaint = run(name)

    assert code == UNWELL.get(name, 0), complaint


CELLS = [
    pytest.param(command, failure, cell, id=f"{command}-{name}-{number}")
    for (command, name), cell in TABLE.items()
    for number, failure in enumerate(FAILURES[name])
    if (not failure.only or command in failure.only) and not (cell == "-" and command in ENDLESS)
]


@pytest.mark.parametrize(("command", "failure", "cell"), CELLS)
def test_a_failure_has_its_code_and_is_told(
    command: str, failure: Failure, cell: str, run: Callable[..., Ending]
) -> None:
    code, answer, complaint = run(command, failure)

    assert code == (UNWELL.get(command, 0) if cell == "-" else int(cell)), complaint
    assert "Traceback" not in answer + complaint
    if cell != "-":
        assert re.search(failure.says, answer + complaint, re.DOTALL)
        assert code == 0 or command in SAYS_IT_IN_ITS_ANSWER or complaint.startswith("harvester: ")
        assert "unexpected" not in complaint
