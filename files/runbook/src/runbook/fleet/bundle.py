"""Which modules of ours are in a function's archive: those that it imports, and those that these import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import harvester

PACKAGE = Path(harvester.__file__).parent


def modules_of(source: Path) -> dict[str, bytes]:
    """Path in the archive -> content, for every module of this package that the source leads to; lazily, too."""
    files: dict[str, bytes] = {}
    waiting = list(_imports(source.read_bytes()))
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None:
            continue
        entry = f"{PACKAGE.name}/{path.relative_to(PACKAGE)}"
        if entry not in files:
            files[entry] = path.read_bytes()
            waiting += _imports(files[entry])
    return files


def _imports(text: bytes) -> Iterator[str]:
    """Names under harvester that a module imports, apart from those for type checkers; parents first."""
    for node in _running(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE.name:
                yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield child
            yield from _running(child)


def _file_of(name: str) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)
