"""mutmut in a workspace that `run` made: `driver.py generate`, `driver.py test WORKERS < names`, `driver.py results`.

A program of its own, because mutmut reads its configuration from the working directory and changes `sys.path`.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import libcst as cst
from mutmut.__main__ import cli, copy_src_dir, create_mutants
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.mutators import mutation_operators
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

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


def test(workers: str) -> None:
    """Run the mutants named on standard input, whatever their verdict was."""
    cli(["run", "--max-children", workers, *sys.stdin.read().split()], standalone_mode=False)


def results() -> None:
    """Print every mutant with its verdict: None before it ran."""
    found = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            was, now = _difference(name, path)
            verdict = None if code is None else "killed" if status_by_exit_code[code] in NOTICED else "survived"
            seconds = data.durations_by_key.get(name, 0.0)
            function = _function_of(name)
            found.append(
                {
                    "name": name,
                    "path": str(path),
                    "function": function,
                    "was": was,
                    "now": now,
                    "verdict": verdict,
                    "seconds": seconds,
                }
            )
    json.dump(found, sys.stdout)


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
    {"generate": generate, "test": test, "results": results}[sys.argv[1]](*sys.argv[2:])
