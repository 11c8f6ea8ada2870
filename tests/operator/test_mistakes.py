"""A table of mistakes, each as a process of its own: exit code, message, no traceback, and nothing lost.

`--long` runs each as root and as another user, at a terminal and without one; otherwise a mistake has one of these.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import ROOT
from tests.operator.support.mistakes import MISTAKES, Mistake, make_place
from tests.operator.support.terminal import run_at_terminal

from runbook.fleet.inventory import program

NOBODY = "65534"
UNWANTED = ("HARVESTER_", "ANSIBLE_", "TMPDIR")
TIMEOUT_SECONDS = 120
PROGRAMS = {"inv": "runbook"}
"""`./inv` itself only makes .venv, and starts this."""


class Way(NamedTuple):
    """By whom a command is run, and whether at a terminal."""

    as_root: bool
    terminal: bool


WAYS = [Way(as_root, terminal) for as_root in (True, False) for terminal in (True, False)]
NAMES = {True: "root", False: "user"}, {True: "terminal", False: "pipe"}


class Ending(NamedTuple):
    """How a command ended; a terminal shows standard output and standard error as one."""

    code: int
    said: str
    lost: list[str]
    new: list[str]


NTH = 3
"""Of so many mistakes one is made in a normal run, in one of the ways; all of them in each way with --long."""


def rows() -> Iterator[object]:
    for number, mistake in enumerate(MISTAKES):
        for place, way in enumerate(WAYS):
            name = f"{mistake.line}-{NAMES[0][way.as_root]}-{NAMES[1][way.terminal]}"
            part, rest = divmod(number, NTH)
            marks = [] if rest == 0 and place == part % len(WAYS) else [pytest.mark.long]
            yield pytest.param(mistake, way, id=name, marks=marks)


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """A place where any user may go."""
    with tempfile.TemporaryDirectory(prefix="mistakes-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        make_place(Path(folder) / "place")
        yield Path(folder) / "place"


@pytest.fixture(scope="module")
def endings(request: pytest.FixtureRequest, original: Path) -> Iterator[Callable[[Mistake, Way], Ending]]:
    """How each chosen mistake ends. Two at a time, because most of a command's life is the start of Python."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        running: dict[tuple[Mistake, Way], Future[Ending]] = {}
        for item in request.session.items:
            given = getattr(getattr(item, "callspec", None), "params", {})
            if "mistake" in given and not any(item.iter_markers("skip")):
                key = given["mistake"], given["way"]
                running[key] = pool.submit(end, original, len(running), *key)
        yield lambda mistake, way: running[mistake, way].result()


@pytest.mark.few
@pytest.mark.parametrize(("mistake", "way"), rows())
def test_a_mistake_ends_with_its_code_and_its_sentence_and_loses_nothing(
    mistake: Mistake, way: Way, endings: Callable[[Mistake, Way], Ending]
) -> None:
    if way.as_root and os.geteuid() != 0:
        pytest.skip("takes root")

    ending = endings(mistake, way)

    assert ending.code == mistake.code, ending.said
    assert re.search(mistake.says, " ".join(ending.said.split())), ending.said
    assert "Traceback" not in ending.said and "HARVESTER_DEBUG" not in ending.said and "[Errno" not in ending.said
    assert ending.lost == []
    assert ending.code != 2 or ending.new == []  # by docs/exit-codes.md: nothing was started or changed


def test_the_table_has_at_least_60_mistakes_and_all_programs(figure: Callable[..., None]) -> None:
    figure("bad_inputs", len({mistake.line for mistake in MISTAKES}), bound=">= 60", unit="mistakes", gate=True)
    assert {mistake.line.split()[0] for mistake in MISTAKES} == {"inv", "harvester", "exchange", "lab"}


def end(original: Path, number: int, mistake: Mistake, way: Way) -> Ending:
    """Run the command in a copy of the place; what is lost of it, and new in it, afterwards."""
    place = original.with_name(f"place-{number}")
    shutil.copytree(original, place)
    for path in place.rglob("*.json"):
        path.write_text(path.read_text("utf-8").replace(str(original), str(place)), encoding="utf-8")
    before = content(place)
    names = {path.stem: str(path) for path in place.iterdir()}
    words = shlex.split(mistake.line.format(**names))
    command = [program(PROGRAMS.get(words[0], words[0])), *words[1:]]
    if os.geteuid() == 0 and not way.as_root:
        for path in [place, *place.rglob("*")]:
            shutil.chown(path, int(NOBODY), int(NOBODY))
        command = [*unprivileged(), *command]
    code, said = (at_a_terminal if way.terminal else without_one)(command, environment(place))
    after = content(place)
    shutil.rmtree(place)
    lost = [name for name, kept in before.items() if after.get(name) != kept]
    return Ending(code, said, lost, sorted(set(after) - set(before)))


def unprivileged() -> list[str]:
    """Another user, who may write nothing of root's, but may read this checkout and its Python, wherever they lie."""
    read = [
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ]
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *read, "--"]


def environment(place: Path) -> dict[str, str]:
    """A home that does not exist, and neither the harvester's nor Ansible's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    return kept | {"HOME": str(place / "no-home"), "TERM": "xterm"}


def without_one(command: list[str], env: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        timeout=TIMEOUT_SECONDS, cwd=ROOT,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def at_a_terminal(command: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Where nobody types anything."""
    shown = run_at_terminal(command, env, cwd=ROOT)
    return shown.code, shown.text


def content(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
