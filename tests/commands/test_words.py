"""What commands print of what they did, word by word."""

import json
from argparse import Namespace
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest

from harvester.base.clock import NS_PER_MS, SystemClock
from harvester.brokers.protocol import PollResult
from harvester.commands import cleanup, close, export, verify, workers
from harvester.commands.terminal import print_result
from harvester.ledger.outage import Outage
from harvester.workers.memory import Memory

DAY = date(2026, 11, 23)
AT_NS = 1_795_405_500_123_456_789
"""09:15:00.123 in India."""


@pytest.mark.parametrize(
    ("book", "rest"),
    [
        (
            {"ltp": 812.5, "bids": [{"price": 812.45, "volume": 10}, {}], "ask": [{"price": 812.55, "volume": 7}]},
            "LTP      812.5  bid        812.45 x 10  ask         812.55 x 7    12.0 ms",
        ),
        (
            {"bids": [], "ask": [{"price": 1}]},
            "LTP          -  bid                  -  ask                  -    12.0 ms",
        ),
        ({}, "LTP          -  bid                  -  ask                  -    12.0 ms"),
    ],
)
def test_a_person_who_watches_sees_price_and_best_of_both_sides(
    capsys: pytest.CaptureFixture[str], book: dict[str, Any], rest: str
) -> None:
    body = json.dumps({"d": {"NSE:SBIN-EQ": book}}).encode()
    print_result(PollResult("NSE:SBIN-EQ", 0, AT_NS - 12 * NS_PER_MS, AT_NS, 0, 200, body))
    assert capsys.readouterr().out == f"09:15:00.123  NSE:SBIN-EQ           {rest}\n"


def test_a_person_who_watches_sees_why_a_poll_has_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    outage = Outage("timeout", "no answer")
    print_result(PollResult("NSE:SBIN-EQ", 0, AT_NS - 801 * NS_PER_MS, AT_NS, 0, outage=outage))
    assert capsys.readouterr().out == "09:15:00.123  NSE:SBIN-EQ           timeout: no answer  (801 ms)\n"


def closing(outcome: str = "built", manifest: Any = None, **certificate: Any) -> Any:
    given = (
        {"date": str(DAY), "damage": [], "symbols": {}, "streams": {}} | certificate
        if certificate or manifest
        else None
    )
    return Thing(partition=Thing(date=DAY), outcome=outcome, certificate=given, manifest=manifest, refused_slices=0)


def test_a_day_that_was_closed_is_told_symbol_by_symbol() -> None:
    none: dict[str, Any] = {"updates": 0, "expected": 0, "coverage": None, "gaps_by_cause": {}}
    bars = {"recorded": 74, "expected": 75, "revised": 1, "rejected": {"price_zero": 2, "late": 1}}
    stream = {"updates": {"ticks": 9, "depth": 8}, "coverage": 0.5, "gaps_by_cause": {"mute": {"ns": 1_250_000_000}}}
    closed = closing(
        manifest=Thing(generation=2, files=[1, 2, 3]),
        symbols={
            "A": {"updates": 10, "expected": 12, "coverage": 0.99999, "gaps_by_cause": {"timeout": 1, "stall": 1}},
            "B": none,
        },
        streams={"fyers-hsm": {"symbols": {
            "A": stream, "B": none | {"updates": {}}, "C": none | {"updates": {"bars": 1}, "minutes": 4},
        }}},
        candles={"feed": "fyers-history", "symbols": {
            "A": bars | {"gaps_by_cause": {"timeout": 1}, "provisional_by_cause": {"late": 2, "cut": 1}},
            "B": bars | {"gaps_by_cause": {}},
        }},
    )  # fmt: skip
    lines = [
        "2026-11-23: closed, generation 2, 3 files.",
        "  A: 10 updates of 12, 99.99%; gap slots: timeout 1, stall 1",
        "  B: 0 updates of 0, no session; gap slots: none",
        "  A (fyers-hsm): 9 ticks, 8 depth, 50.00%; gaps: mute 1.2 s",
        "  B (fyers-hsm): nothing, no session; gaps: none",
        "  C (fyers-hsm): 1 bars, 4 minutes, no session; gaps: none",
        "  A (fyers-history): 74 bars of 75, 1 revised, 3 rejected, 3 provisional (late 2, cut 1); gap bars: timeout 1",
        "  B (fyers-history): 74 bars of 75, 1 revised, 3 rejected; gap bars: none",
    ]
    assert close.describe(closed).splitlines() == lines
    closed.refused_slices = 4
    assert close.describe(closed).splitlines()[1] == (
        "  4 slices made while the day ran were not taken, because what they rest on has changed since: all was decoded"
        " again, which took longer."
    )


def test_a_day_with_nothing_new_or_nothing_at_all_is_one_line() -> None:
    assert close.describe(closing("nothing")) == "2026-11-23: no session and no data, nothing to close."
    assert close.describe(closing("kept")) == "2026-11-23: closed before, nothing new."


def test_a_lake_is_told_day_by_day_with_what_is_in_no_manifest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def day(**parts: Any) -> Any:
        plain = {"date": DAY, "host": "h1", "removed": 0, "problems": [], "damage": [], "files": 3, "bytes": 70}
        return Thing(**plain | parts)

    days = [
        day(),
        day(removed=2, damage=["a torn tail"]),
        day(problems=["one", "two"], damage=["a torn tail"]),
        day(problems=["no manifest"], files=0),
    ]
    report = Thing(ok=True, days=days, unlisted=["a/b", "c"], superseded=["old", "older"])
    monkeypatch.setattr(verify, "verify_lake", {tmp_path / "lake": report}.__getitem__)
    given = Namespace(every_days=None, lake=tmp_path / "lake", json=False)
    lines = [
        "2026-11-23 h1: ok, 3 files, 70 bytes",
        "2026-11-23 h1: files ok, journal damaged, 3 files, 70 bytes, 2 removed with proof",
        "  damage: a torn tail",
        "2026-11-23 h1: FAILED, 3 files, 70 bytes",
        "  one",
        "  two",
        "  damage: a torn tail",
        "2026-11-23 h1: FAILED, 0 files, 70 bytes",
        "  no manifest",
        "not in any manifest: a/b",
        "not in any manifest: c",
        "2 files of former builds are kept, such as old",
    ]
    assert verify.run(given, None) == 0
    assert capsys.readouterr().out.splitlines() == lines
    (tmp_path / "journal").mkdir()
    report.ok = False
    lines.insert(7, "  harvester close --date 2026-11-23 --rebuild builds it again from its segments.")
    assert verify.run(given, None) == 1
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_clean_up_says_of_each_file_what_becomes_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_applied: bool
) -> None:
    def finding(path: str, size: int, why: str | None = None) -> Any:
        return Thing(entry=Thing(path=path, bytes=size), keep_because=why)

    found = [finding("a", 5), finding("b", 7), finding("c", 11, "it is of today")]
    asked: list[Any] = []
    settings: Any = Thing(lake_dir="lake", journal_dir="journal", upload="places")
    monkeypatch.setattr(cleanup, "load_receipt", lambda path: f"receipt {path}")
    monkeypatch.setattr(cleanup, "accept", lambda *given: given)
    monkeypatch.setattr(cleanup, "locked", lambda lake: nullcontext(asked.append(lake)))
    monkeypatch.setattr(cleanup, "judge_files", lambda *given: (asked.append(given), found)[1])
    monkeypatch.setattr(cleanup, "delete_files", lambda *given: (asked.append(given), 12)[1])
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: AT_NS)

    assert cleanup.run(Namespace(receipt=["x", "y"], keep_days=2, apply=is_applied), settings) == 0

    accepted = (["receipt x", "receipt y"], "places")
    judged = ("lake", "journal", accepted, 2, DAY)
    assert asked == ["lake", judged, *([("lake", found, accepted)] if is_applied else [])]
    end = "2 files deleted, 12 bytes freed, 1 kept" if is_applied else "2 files of 12 bytes would be deleted, 1 kept"
    assert capsys.readouterr().out.splitlines() == ["a: delete", "b: delete", "c: keep, it is of today", end]


def test_an_export_says_where_its_rows_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(export, "export_csv", lambda *given: (asked.append(given), ("x.csv", 9))[1])
    monkeypatch.setattr(export, "find_lake", lambda config: f"lake of {config}")
    given = Namespace(lake=None, config="c", date="2026-11-23", output=tmp_path, symbol=["A"], every="5")
    assert export.run(given, None) == 0
    given.lake, given.every = "other", None
    assert export.run(given, None) == 0
    every = [export.parse_every(text) for text in ("5", None)]
    assert every[0] != every[1]
    assert asked == [
        (lake, DAY, tmp_path, ["A"], each) for lake, each in zip(("lake of c", "other"), every, strict=True)
    ]
    assert capsys.readouterr().out == "x.csv: 9 rows\n" * 2


@pytest.mark.parametrize(
    ("action", "was", "paused", "said"),
    [("pause", False, True, "w: paused\n"), ("resume", True, False, "w: watched again\n")],
)
def test_a_worker_is_paused_and_resumed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    action: str,
    was: bool,
    paused: bool,
    said: str,
) -> None:
    kept: list[Any] = []
    settings = Thing(find=lambda name: Thing(name=name))
    monkeypatch.setattr(workers, "configure_logs", lambda debug: None)
    monkeypatch.setattr(workers, "load_overseer", lambda file: settings)
    monkeypatch.setattr(workers, "alone", lambda of: nullcontext())
    monkeypatch.setattr(workers, "parts_of", lambda of, worker, clock: Thing(memory=f"of {worker.name}"))
    monkeypatch.setattr(workers, "load", lambda path: Memory(paused=was))
    monkeypatch.setattr(workers, "save", lambda *given: kept.append(given))
    assert workers.run(Namespace(debug=False, settings=None, action=action, name="w"), None) == 0
    assert kept == [("of w", Memory(paused=paused))]
    assert capsys.readouterr().out == said
