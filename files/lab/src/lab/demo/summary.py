"""What a demonstration recorded, from the verified files on the laptop's side: for a person and as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.lake.certificate.shares import in_percent
from lab.demo.broker_bars import candle_rows


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


def stream_rows(certificate: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Per symbol and socket feed: updates by table, share of the session covered, and gaps in seconds by cause."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for feed, stream in certificate["streams"].items():
        for symbol, row in stream["symbols"].items():
            gaps = {cause: gap["ns"] / NS_PER_SECOND for cause, gap in row["gaps_by_cause"].items()}
            rows.setdefault(symbol, {})[feed] = {"updates": row["updates"], "coverage": row["coverage"], "gaps": gaps}
    return rows


def summarise(pulled: Path, day: str, *, where: str, seconds: dict[str, float], **extra: Any) -> dict[str, Any]:
    """The summary document: per-symbol figures, files with their hashes, where the report is, time of each step."""
    manifest, certificate = read_day(pulled, day)
    symbols = symbol_rows(certificate)
    streams = certificate["streams"].values()
    explained = all(row["recorded"] + sum(row["gaps"].values()) == row["expected"] for row in symbols.values())
    return {
        "date": day,
        "where": where,
        "symbols": symbols,
        "streams": stream_rows(certificate),
        "candles": candle_rows(certificate),
        "updates": sum(row["updates"] for row in symbols.values()),
        "stream_updates": sum(sum(row["updates"].values()) for stream in streams for row in stream["symbols"].values()),
        "expected": sum(row["expected"] for row in symbols.values()),
        "unexplained": certificate["unexplained_slots"],
        "unexplained_stream_ns": sum(stream["unexplained_ns"] for stream in streams),
        "every_expected_poll_is_data_or_in_the_ledger": explained and certificate["unexplained_slots"] == 0,
        "files": [{key: file[key] for key in ("path", "bytes", "sha256")} for file in manifest["files"]],
        "seconds": seconds,
        **extra,
    }


def is_complete(summary: dict[str, Any]) -> bool:
    """Whether there is data of all feeds, all of it accounted for, and all that was served came home and to S3."""
    accounted = summary["every_expected_poll_is_data_or_in_the_ledger"] and summary["unexplained_stream_ns"] == 0
    compared = (summary["exchange"], summary["sockets"])
    same = all(each["recorded"] and each["missing"] == each["foreign"] == 0 for each in compared)
    stored = "aws" not in summary or summary["aws"]["verified"] == summary["aws"]["objects"]
    delivered = "delivery" not in summary or len(summary["delivery"]["tables"]) == len(summary["candles"])
    bars = all(row["recorded"] for row in summary["candles"].values())
    return bool(
        summary["updates"] and summary["stream_updates"] and accounted and same and stored and delivered and bars
    )


def _causes(polls: dict[str, int], streams: list[dict[str, float]]) -> str:
    """Each cause with the polls that it took, and the seconds of the socket that it kept away longest."""
    parts = []
    for cause in dict.fromkeys([*polls, *(cause for gaps in streams for cause in gaps)]):
        seconds = max((gaps.get(cause, 0.0) for gaps in streams), default=0.0)
        amounts = [f"{polls[cause]} polls"] if cause in polls else []
        parts.append(" ".join([cause, *amounts, *([f"{seconds:.1f} s"] if seconds else [])]))
    return ", ".join(parts) or "none"


def show(summary: dict[str, Any], console: Console) -> None:
    """Print the summary as a person likes to read it."""
    table = Table(title=f"Recorded on {summary['date']}  ({summary['where']})", title_style="bold")
    table.add_column("symbol", no_wrap=True)
    for column in ("polls", "of", "5 levels", "quotes", "50 levels", "covered"):
        table.add_column(column, justify="right")
    table.add_column("gaps, by cause")
    for symbol, row in summary["symbols"].items():
        streams = summary["streams"].get(symbol, {})
        counts = {kind: count for stream in streams.values() for kind, count in stream["updates"].items()}
        gaps = _causes(row["gaps"], [stream["gaps"] for stream in streams.values()])
        coverage = min([row["coverage"], *(stream["coverage"] for stream in streams.values())])
        streamed = [str(counts.get(kind, "")) for kind in ("depth", "quotes", "depth50")]
        table.add_row(
            symbol,
            str(row["recorded"]),
            str(row["expected"]),
            *streamed,
            f"{in_percent(coverage)}%",
            gaps,
        )
    console.print(table)
    _conclude(summary, console)


def _conclude(summary: dict[str, Any], console: Console) -> None:
    size = sum(file["bytes"] for file in summary["files"])
    console.print(f"{len(summary['files'])} files, {size:,} bytes, every hash verified after the pull")
    claim = "every expected poll and every moment of the sockets is data or in the gap ledger"
    if summary["every_expected_poll_is_data_or_in_the_ledger"] and summary["unexplained_stream_ns"] == 0:
        console.print(f"[green]✓ {claim}[/green]")
    else:
        console.print(f"[red]✗ NOT {claim}: {summary['unexplained']} polls unexplained[/red]")
    for name, each in (("answers", summary["exchange"]), ("socket frames", summary["sockets"])):
        console.print(
            f"the exchange served {each['served']} {name}, {each['recorded']} came home byte for byte,"
            f" {each['missing']} are missing"
        )
    console.print(f"the login at the broker went through {summary['login']}")
    if "aws" in summary:
        _show_aws(summary["aws"], console)
    if summary["candles"]:
        _show_candles(summary, console)
    console.print(f"set-up and all: {sum(summary['seconds'].values()):.0f} s; report: {summary['report']}")


def _show_aws(aws: dict[str, Any], console: Console) -> None:
    kinds = ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in aws["resources"].items())
    things = sum(aws["resources"].values())
    console.print(
        f"the AWS account, a stand-in, holds {things} things, which took {aws['seconds']:.0f} s of site.yml: {kinds}"
    )
    claim = f"{aws['verified']} of {aws['objects']} files lie in s3://{aws['bucket']} with the same hash"
    good = aws["verified"] == aws["objects"]
    console.print(f"[green]✓ {claim}[/green]" if good else f"[red]✗ ONLY {claim}[/red]")


def _show_candles(summary: dict[str, Any], console: Console) -> None:
    """The broker's own bars, where they were delivered, and what was due on the day."""
    rows, delivery, dues = summary["candles"].values(), summary["delivery"], summary["dues"]
    recorded, expected = (sum(row[key] for row in rows) for key in ("recorded", "expected"))
    console.print(f"the broker's own candles: {recorded} of {expected} bars, {sum(row['final'] for row in rows)} final")
    tables = len(delivery["tables"])
    claim = f"the price feed of {tables} of {len(rows)} symbols lies in the bucket as csv.gz"
    console.print(f"[green]✓ {claim}[/green]" if tables == len(rows) else f"[red]✗ ONLY {claim}[/red]")
    states = ", ".join(f"{count} {state}" for state, count in sorted(dues["states"].items()))
    named = ", ".join(f"{name} {state}" for name, state in sorted(dues["named"].items()))
    console.print(f"due on the day so far: {states} ({named})")
