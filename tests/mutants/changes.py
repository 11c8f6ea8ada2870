"""What a checkout changes: against main for a branch, against the landing before it for main itself."""

import ast
import subprocess
from pathlib import Path

from harvester.base.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent.parent


def git(*words: str) -> str | None:
    """What git says of this repository, or None where it refuses or is not here."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def left_main() -> str:
    """The commit where this branch left main; on main itself, the landing before. Raises ConfigError without one."""
    head = git("rev-parse", "HEAD")
    for main in ("origin/main", "main"):
        base = git("merge-base", "HEAD", main)
        if base and base != head:
            return base.strip()
        if base:
            break
    before = git("rev-parse", "--verify", "HEAD^1")
    if before:
        return before.strip()
    raise ConfigError(
        "What changed is told by the history of git, which this checkout does not have: git fetch --unshallow origin."
    )


def changed_files(base: str) -> set[str]:
    """Files that differ from `base`, with what is not committed yet."""
    return set((git("diff", "--name-only", base) or "").splitlines())


def changed_functions(file: str, base: str) -> set[str]:
    """Functions and methods of a file, such as "JournalWriter.sync", whose code is another than in `base`."""
    before, now = _functions(git("show", f"{base}:{file}") or ""), _functions((ROOT / file).read_text("utf-8"))
    return {name for name, code in now.items() if before.get(name) != code}


def _functions(source: str) -> dict[str, str]:
    """The code of each function by its name, without its place in the file."""
    found = {}
    for node in ast.parse(source).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for each in inner:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{owner}{each.name}"] = ast.dump(each)
    return found
