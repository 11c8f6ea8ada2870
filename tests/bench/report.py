"""What a benchmark has measured: tables for a person, figures with their bounds for a machine."""

import json
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.conftest import COMPARE


class Report:
    """Collects figures and prints tables as they come."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, object]] = {}
        self.missed: list[str] = []
        self._console = Console()

    def figure(self, name: str, value: float, *, bound: str, unit: str) -> None:
        """A measured figure and its bound, such as "<= 22"."""
        self.figures[name] = {"value": value, "bound": bound, "unit": unit}
        comparison, limit = bound.split()
        within = COMPARE[comparison](value, float(limit))
        if not within:
            self.missed.append(name)
        self._console.print(f"{name} = {value:,} {unit} (bound {bound}){'' if within else '  MISSED'}", markup=False)

    def table(self, title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """Print a table; its first column is text, the others are numbers or short."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*(_shown(cell) for cell in row))
        self._console.print(table)

    def skip(self, what: str, why: str) -> None:
        """Say that something was not measured."""
        self._console.print(f"not measured: {what}: {why}", markup=False)

    def write(self, path: Path) -> None:
        """Write cases, passed and figures as the test suites do."""
        passed = len(self.figures) - len(self.missed)
        summary = {"cases": len(self.figures), "passed": passed, "figures": self.figures}
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 1000 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
