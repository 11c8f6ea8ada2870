"""mutmut in a workspace that `run` made. Names of mutants come on standard input, one a line; results go out as JSON.

driver.py generate                 write every mutant
driver.py names                    every mutant's name, file and function
driver.py test WORKERS [SECONDS]   test the named ones in the order given, and stop after so long
driver.py results                  what the named ones change, and their verdicts

A program of its own, because mutmut reads its configuration from the working directory and changes `sys.path`.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import libcst as cst
import mutmut.__main__
from mutmut.__main__ import cli, copy_src_dir, create_mutants
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.mutators import mutation_operators
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key
from mutmut.workers.isolation import MutantRunner

NOTICED = {"killed", "timeout", "segfault", "check was interrupted by user"}
"""The last is pytest's exit code 2: a test module that could not be imported. A person's Ctrl-C records nothing."""


def leave_out_call(node: cst.Expr) -> Iterable[cst.Expr]:
    """A call whose result nobody uses becomes `...`: a forgotten fsync, which mutmut's own kinds of fault never are."""
    call = node.value.expression if isinstance(node.value, cst.Await) else node.value
    if isinstance(call, cst.Call):
        yield node.with_changes(value=cst.Ellipsis())


mutation_operators.append((cst.Expr, leave_out_call))


def generate() -> None:
    """Write every mutant; verdicts on functions that did not change are kept."""
    copy_src_dir()
    create_mutants(1)


def names() -> None:
    """Print every mutant's name, file and function."""
    rows = [{"name": name, "path": str(data.path), "function": _function_of(name)} for data, name in _mutants()]
    json.dump(rows, sys.stdout)


def test(workers: str, seconds: str = "") -> None:
    """Run the mutants named on standard input, whatever their verdict was; those not reached in time keep theirs."""
    wanted = sys.stdin.read().split()
    if not Path("mutants", "mutmut-stats.json").exists():
        _leave_out_rehearsals()
    if not seconds:
        cli(["run", "--max-children", workers, *wanted], standalone_mode=False)
        return
    place = {name: at for at, name in enumerate(wanted)}
    mutmut.__main__.estimated_worst_case_time = (
        place.__getitem__
    )  # by which mutmut sorts: quickest first would be a bias
    SourceFileMutationData.save = _undisturbed(SourceFileMutationData.save)
    over = False

    def stop(*_: object) -> None:
        nonlocal over
        over = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, float(seconds), 5)  # again, should pytest take the first one for its own
    try:
        cli(["run", "--max-children", workers, *wanted], standalone_mode=False)
    except (KeyboardInterrupt, SystemExit, click.Abort):
        if not over:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _leave_out_rehearsals() -> None:
    """Where mutmut notes what the tests reach, they pass once already; again, and to fail, would cost as long."""
    make = mutmut.__main__.get_mutant_runner

    def runner(workers: int) -> MutantRunner:
        made = make(workers)
        made.run_clean_tests = lambda tests: 0
        return made

    mutmut.__main__.get_mutant_runner = runner
    mutmut.__main__.run_forced_fail_test = lambda _: None


def _undisturbed(save: Callable[[SourceFileMutationData], None]) -> Callable[[SourceFileMutationData], None]:
    """`save`, which the end of the time must not leave half done."""

    def whole(data: SourceFileMutationData) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        try:
            save(data)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})

    return whole


def results() -> None:
    """Print what the mutants named on standard input change, with their verdicts: None before they ran."""
    wanted = set(sys.stdin.read().split())
    found = []
    for data, name in _mutants():
        if name not in wanted:
            continue
        was, now = _difference(name, data.path)
        code = data.exit_code_by_key[name]
        found.append(
            {
                "name": name,
                "path": str(data.path),
                "function": _function_of(name),
                "was": was,
                "now": now,
                "verdict": None if code is None else "killed" if status_by_exit_code[code] in NOTICED else "survived",
                "seconds": data.durations_by_key.get(name, 0.0),
            }
        )
    json.dump(found, sys.stdout)


def _mutants() -> Iterable[tuple[SourceFileMutationData, str]]:
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        yield from ((data, name) for name in data.exit_code_by_key)


def _function_of(name: str) -> str:
    function, owner = orig_function_and_class_names_from_key(name)
    module = name.rpartition(".")[0].rpartition(".")[2]
    return ".".join(part for part in (module, owner, function) if part)


def _difference(name: str, path: Path) -> tuple[str, str]:
    """The lines that went and those that came, each side as one line."""
    lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
    sides = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
    was, now = (" ".join(side) for side in sides)
    return was, now


if __name__ == "__main__":
    {"generate": generate, "names": names, "test": test, "results": results}[sys.argv[1]](*sys.argv[2:])
