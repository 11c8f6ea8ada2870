"""What a demonstration recorded, from the verified files on the laptop's side: for a person and as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harvester.errors import HarvesterError


def read_day(pulled: Path, day: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and certificate of the day; HarvesterError when the pull did not bring them."""
    lake = pulled / "lake"
    found = sorted(lake.glob(f"manifest/date={day}/host=*/manifest.json"))
    if not found:
        raise HarvesterError(f"No manifest of {day} under {lake}: the close job or the pull did not finish.")
    manifest: dict[str, Any] = json.loads(found[-1].read_text("utf-8"))
    certificate = next(file["path"] for file in manifest["files"] if file["path"].startswith("certificate/"))
    return manifest, json.loads((lake / certificate).read_text("utf-8"))


def symbol_rows(certificate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Per symbol: updates, expected polls, those recorded, coverage, and gaps as polls by cause."""
    return {
        symbol: {
            "updates": row["updates"],
            "expected": row["expected"],
            "recorded": row["recorded_slots"],
            "coverage": row["coverage"],
            "gaps": row["gaps_by_cause"],
        }
        for symbol, row in certificate["symbols"].items()
    }


def summarise(pulled: Path, day: str, *, where: str, seconds: dict[str, float], **extra: Any) -> dict[str, Any]:
    """The summary document: per-symbol figures, files with their hashes, where the report is, time of each step."""
    manifest, certificate = read_day(pulled, day)
    symbols = symbol_rows(certificate)
    explained = all(row["recorded"] + sum(row["gaps"].values()) == row["expected"] for row in symbols.values())
    return {
        "date": day,
        "where": where,
        "symbols": symbols,
        "updates": sum(row["updates"] for row in symbols.values()),
        "expected": sum(row["expected"] for row in symbols.values()),
        "unexplained": certificate["unexplained_slots"],
        "every_expected_poll_is_data_or_in_the_ledger": explained and certificate["unexplained_slots"] == 0,
        "files": [{key: file[key] for key in ("path", "bytes", "sha256")} for file in manifest["files"]],
        "seconds": seconds,
        **extra,
    }


def is_complete(summary: dict[str, Any]) -> bool:
    """Whether there is data, every expected poll is accounted for, and all that was served came home."""
    exchange = summary["exchange"]
    accounted = summary["every_expected_poll_is_data_or_in_the_ledger"]
    return bool(summary["updates"] and accounted and exchange["missing"] == exchange["foreign"] == 0)


def show(summary: dict[str, Any], console: Console) -> None:
    """Print the summary as a person likes to read it."""
    table = Table(title=f"Recorded on {summary['date']}  ({summary['where']})", title_style="bold")
    table.add_column("symbol")
    for column in ("updates", "expected", "coverage"):
        table.add_column(column, justify="right")
    table.add_column("gaps (polls by cause)")
    for symbol, row in summary["symbols"].items():
        gaps = ", ".join(f"{cause} {slots}" for cause, slots in row["gaps"].items()) or "none"
        table.add_row(symbol, str(row["updates"]), str(row["expected"]), f"{row['coverage']:.2%}", gaps)
    console.print(table)
    size = sum(file["bytes"] for file in summary["files"])
    console.print(f"{len(summary['files'])} files, {size:,} bytes, every hash verified after the pull")
    verdict = "every expected poll is data or in the gap ledger"
    if summary["every_expected_poll_is_data_or_in_the_ledger"]:
        console.print(f"[green]✓ {verdict}[/green]")
    else:
        console.print(f"[red]✗ NOT {verdict}: {summary['unexplained']} unexplained[/red]")
    exchange = summary["exchange"]
    console.print(
        f"the exchange served {exchange['served']} answers, {exchange['recorded']} came home byte for byte,"
        f" {exchange['missing']} are missing; the broker's own SDK saw the same market"
    )
    console.print(f"set-up and all: {sum(summary['seconds'].values()):.0f} s; report: {summary['report']}")
