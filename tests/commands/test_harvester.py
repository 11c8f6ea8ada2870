"""The table of docs/exit-codes.md for `harvester`, cell by cell."""

import concurrent.futures.thread  # noqa: F401  # which another user may not be allowed to read
import errno
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.commands.failures import FAILURES, Failure, dated, documented
from tests.commands.places import BUCKET, NOW_NS, PENDING, Place, commands, give, make_place
from tests.conftest import ROOT
from tests.journals import OPEN_NS
from tests.recorder.fakes import make_token

from harvester import cli
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.commands import renew
from harvester.tokens.renewal import RenewalOutcome
from harvester.upload import retries

TABLE = documented(ROOT)
GOOD = make_token(4_000_000_000)
ENDLESS = ("run", "token-agent")
NOWHERE = Place(Path("nowhere"))
"""For commands that end before they read or write anything."""
UNWELL = {
    "health": 3,
    "due": 3,
    "watch": 2,
    "job run": 2,
    "job ended": 2,
    "application within": 2,
    "job now": 2,
    "job list": 2,
    "workers undo-repair": 1,
    "push-code": 1,
    "live": 2,
    "notify-test": 2,
    "config topics": 1,
    "upload": 1,
    **dict.fromkeys(
        ("database daily", "database full", "database deliver", "database pulled", "database restore-test"), 2
    ),
}
"""Exit codes of a place without recorder, channels and network, that is no host of ours; nothing else is wrong."""
SAYS_IT_IN_ITS_ANSWER = ("sessions", "verify", "recover")
IN_SESSION_NS = OPEN_NS + 50 * NS_PER_SECOND
CLOCKS = {**dict.fromkeys(("remind", "build", "so-far"), lambda _: IN_SESSION_NS), "run": SystemClock.wall_ns}
"""Who does not live after the session: it reminds inside one, and what waits for a lock needs time that passes."""
GOES_ON = "the session goes on until 09:16:40 IST. Close the day then."
SLOW = """
import os, signal, sys
from harvester import cli
cli._dispatch = lambda _: os.kill(os.getpid(), signal.SIGINT) or signal.pause()
cli.main(["sessions"])
"""
Ending = tuple[int, str, str]


@pytest.fixture(autouse=True)
def logs_of_this_test() -> Iterator[None]:
    """A command that logs writes to the output of the process that it was configured in: here that of its test."""
    yield
    structlog.reset_defaults()


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
        if name in CLOCKS:
            monkeypatch.setattr(SystemClock, "wall_ns", CLOCKS[name])
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


@pytest.mark.parametrize("name", [name for name in commands(NOWHERE) if name not in ENDLESS])
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


@pytest.mark.parametrize("name", commands(NOWHERE))
def test_an_unknown_option_is_wrong_use(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run([*commands(NOWHERE)[name], "--nope"])

    assert ended.value.code == 2
    assert "--nope" in capsys.readouterr().err


@pytest.mark.parametrize("command", cli.COMMANDS)
@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted. What was finished stays; run the command again to go on."),
        (ZeroDivisionError("a defect"), 1, "unexpected ZeroDivisionError: a defect. Run again with --debug"),
        (OSError(errno.ENOSPC, "No space left on device", "/d/x"), 1, "/d/x: No space left on device. Free some disk"),
        (OSError(errno.EACCES, "Permission denied", "/d/x"), 1, "/d/x: Permission denied. Run the command as the user"),
        (OSError(errno.EIO, "Input/output error", "/d/x"), 1, "/d/x: Input/output error. Correct that and run"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, "a file, or standard output: Broken pipe."),
    ],
    ids=["interrupt", "defect", "full disk", "rights", "disk fault", "peer gone"],
)
def test_whatever_a_command_raises_has_its_code_and_one_line(
    command: str,
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise error

    arguments = next(given for given in commands(NOWHERE).values() if given[0] == command)
    for where in (f"harvester.commands.{command.replace('-', '_')}.run", "harvester.config.file.load_settings"):
        monkeypatch.setattr(where, fail)

    assert cli.run(arguments) == code
    said = capsys.readouterr()
    assert said.err.startswith(f"harvester: {says}")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_an_interrupt_while_the_command_is_loaded_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupt)

    assert cli.run(["close"]) == 130
    assert capsys.readouterr().err.startswith("harvester: interrupted")


@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_is_gone_ends_the_command_without_a_word(buffered: bool, place: Place) -> None:
    ending = ended(place, ["config", "schema"], subprocess.PIPE, buffered=buffered, close=True)

    assert ending == (1, "")


@pytest.mark.parametrize("buffered", [True, False])
def test_an_answer_that_cannot_be_written_is_told(buffered: bool, place: Place) -> None:
    with Path("/dev/full").open("w") as full:
        code, complaint = ended(place, ["config", "show"], full, buffered=buffered)

    assert code == 1
    assert re.fullmatch(r"harvester: .*standard output: No space left on device.*ree some .*space.*\n", complaint)


def test_an_interrupt_from_the_terminal_ends_with_its_code(place: Place) -> None:
    (place.root / "slow.py").write_text(SLOW, encoding="utf-8")
    done = subprocess.run([sys.executable, place.root / "slow.py"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("harvester: interrupted. ") and done.stderr.count("\n") == 1


def ended(place: Place, words: list[str], output: Any, *, buffered: bool, close: bool = False) -> tuple[int, str]:
    """Exit code and standard error of a process whose standard output is this; with `close`, nobody reads it."""
    command = [
        sys.executable,
        *([] if buffered else ["-u"]),
        "-m",
        "harvester",
        words[0],
        "--config",
        str(place.config),
        *words[1:],
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True, env=environment) as process:
        if close and process.stdout:
            process.stdout.close()
        complaint = process.stderr.read() if process.stderr else ""
    return process.returncode, complaint


@pytest.mark.parametrize(
    ("kind", "code"), [("renewed", 0), ("not_set_up", 0), ("later", 1), ("refused", 1), ("gone", 1)]
)
def test_a_renewal_ends_with_0_only_where_no_login_is_needed(
    kind: str, code: int, run: Callable[..., Ending], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew, "renew", lambda *_, **__: RenewalOutcome(kind, "what became of it", False))

    assert run("renew")[0] == code


def test_close_fails_for_the_day_that_goes_on_only_where_a_person_names_it(
    run: Callable[..., Ending], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a date it does what can be done; with one the person waits for that day."""
    monkeypatch.setitem(CLOCKS, "close", lambda _: IN_SESSION_NS)
    named = Failure(lambda _: None, "", given=dated(PENDING))

    assert run("close")[:2] == (0, f"{PENDING}: {GOES_ON}\n")
    code, answer, complaint = run("close", named)
    assert (code, answer) == (1, "")
    assert complaint == f"harvester: {PENDING}: {GOES_ON}\n"


def test_close_builds_what_it_can_and_fails_for_the_rest(place: Place, run: Callable[..., Ending]) -> None:
    """Two days are due; of one a segment is open, so that a recorder may still write to it."""
    other = place.journal / "2026-11-19"
    shutil.copytree(place.segment.parent, other)
    for path in list(other.iterdir()):
        path.rename(path.with_suffix(".open"))

    code, answer, complaint = run("close")

    assert code == 1
    assert "2026-11-19" in complaint
    assert f"{PENDING}: closed, generation 1" in answer
