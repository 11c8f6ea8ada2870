"""How operators' tasks look on a terminal: one progress bar, plain tables, a question before anything is deleted."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table

WIDTH_OF_FILES = 160  # where the output is not a terminal


def console(*, stderr: bool = False) -> Console:
    """The terminal; rich itself drops colours and motion when the output is a file or NO_COLOR is set."""
    plain = Console(stderr=stderr, highlight=False)
    return plain if plain.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH_OF_FILES)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of plain values; columns whose name ends in `#` are right-aligned numbers, shown without the mark."""
    grid = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        grid.add_column(name.removesuffix("#"), justify="right" if name.endswith("#") else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(str(value) for value in row))
    return grid


def waiting(what: str) -> AbstractContextManager[object]:
    """Shows on a terminal, while the block runs, for what a person waits; nothing may be asked or printed in it."""
    out = console(stderr=True)
    return out.status(what) if out.is_terminal else nullcontext()


def confirm(question: str) -> bool:
    """Ask for an explicit yes; anything else, and no terminal to ask at, is a no."""
    if not sys.stdin.isatty():
        return False
    return console().input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def human_bytes(count: int) -> str:
    """A size as a person says it: 812 B, 3.4 MiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def human_age(age: timedelta) -> str:
    """A span as a person says it: 40 s, 12 min, 5 h, 3 days."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


class PullBar:
    """A pull's progress as one bar over all bytes of a host, on standard error."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=12),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            expand=True,
            console=console(stderr=True),
        )
        self._task: TaskID | None = None
        self._host = ""

    def __enter__(self) -> "PullBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def look(self, host: str) -> None:
        """A host is asked what it has, which takes a minute where it does not answer."""
        self._end()
        self._task = self._progress.add_task(f"{host}: looking what is there", total=None)

    def begin(self, host: str, files: int, total_bytes: int) -> None:
        self._end()
        self._host = host
        self._task = self._progress.add_task(f"{host}: {files} files to fetch", total=total_bytes) if files else None

    def _end(self) -> None:
        """Take away the line of what is over."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = None

    def file(self, path: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, description=f"{self._host}: {path.split('/', 1)[0]} {path.split('/')[1]}")

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)
