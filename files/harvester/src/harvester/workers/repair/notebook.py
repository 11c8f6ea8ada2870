"""A notebook read, validated, patched and written by nbformat, which keeps fields that it does not know."""

import difflib
import json
import warnings
from typing import Any, NamedTuple

from harvester.workers.repair.recipes import patch

MAX_BYTES = 16 * 1024 * 1024
"""Of a larger one the outputs are too many; it is not repaired on a host of 512 MiB."""
DIFF_LINES = 14


class NotebookError(ValueError):
    """A notebook that cannot be repaired; the text says why."""


class Repaired(NamedTuple):
    """The notebook's bytes after a repair, or `why` it was not changed. `diff`: lines that went and came."""

    data: bytes
    diff: str = ""
    why: str = ""
    hopeless: bool = False


def repair(data: bytes, kind: str, message: str) -> Repaired:
    """Patch the code cells for a kind of error. Raises NotebookError for what is no notebook."""
    notebook = _read(data)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if not cells:
        raise NotebookError("it has no code cell")
    before = [cell["source"] for cell in cells]
    done = patch(kind, before, message)
    if done.sources == before:
        return Repaired(data, why=done.why, hopeless=done.hopeless)
    for cell, source in zip(cells, done.sources, strict=True):
        cell["source"] = source
    return Repaired(_write(notebook, data), diff=_diff(before, done.sources))


def _read(data: bytes) -> Any:
    import nbformat

    if len(data) > MAX_BYTES:
        raise NotebookError(f"it has {len(data) // 1024**2} MiB; clear its outputs")
    try:
        text = data.decode("utf-8-sig")
        fields = json.loads(text)
        version = fields.get("nbformat") if isinstance(fields, dict) else None
        if version != 4:
            raise NotebookError(
                f"it is a notebook of format {version}; open it in Jupyter and save it as format 4"
                if isinstance(version, int)
                else "it is no notebook"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ids that are lacking, as in older notebooks
            notebook: Any = nbformat.reads(text, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
            nbformat.validate(notebook)
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise NotebookError("it is no notebook, or half of one") from error
    except (nbformat.ValidationError, KeyError, AttributeError, TypeError) as error:
        raise NotebookError("it does not validate as a notebook") from error
    return notebook


def _write(notebook: Any, before: bytes) -> bytes:
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    return text.encode() + (b"\n" if before.endswith(b"\n") else b"")


def _diff(before: list[str], after: list[str]) -> str:
    """The lines that differ, each with its cell's number among the code cells."""
    lines = []
    for number, (old, new) in enumerate(zip(before, after, strict=True), 1):
        for line in difflib.ndiff(old.split("\n"), new.split("\n")) if old != new else ():
            if line[0] in "+-":
                lines.append(f"cell {number}: {line[0]} {line[2:].strip()}"[:200])
    return "\n".join(lines[:DIFF_LINES] + ([f"... {len(lines) - DIFF_LINES} more"] if len(lines) > DIFF_LINES else []))
