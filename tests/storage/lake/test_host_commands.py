"""The commands that close and delete on a host: what they say is what they did, of every day and every journal."""

import argparse
from datetime import date, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.storage.lake.conftest import Place

from harvester.backfill.order import journal_of
from harvester.base.errors import HarvesterError
from harvester.commands import build, cleanup, close, prune_journal, so_far
from harvester.config.settings import UploadSettings
from harvester.lake.close import NOTHING, UNCHANGED, Closing, NotOverError
from harvester.lake.layout import Partition
from harvester.lake.prepare import BUILT, NO_ROOM

DAYS = [date(2026, 11, day) for day in (23, 24, 25, 26)]


@pytest.fixture
def settings(closed: Place) -> Any:
    places = {"data_dir": closed.root, "journal_dir": closed.journal, "lake_dir": closed.lake}
    return SimpleNamespace(**places, upload=UploadSettings())


def pruned(settings: Any, capsys: pytest.CaptureFixture[str], *, apply: bool) -> list[str]:
    assert prune_journal.run(argparse.Namespace(plan=not apply, apply=apply), settings) == 0
    return capsys.readouterr().out.splitlines()


def test_both_journals_are_pruned_and_what_is_said_to_go_goes(
    closed: Place, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of the backfill as well: its segments would fill the disk."""
    day = closed.partition.date.isoformat()
    going = sorted((closed.journal / day).glob("*.seg"))
    kept = journal_of(closed.root) / "2026-11-19" / "1-1.seg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"answers")
    size = sum(path.stat().st_size for path in going)
    fates = [*(f"{day}/{path.name}: delete" for path in going), "2026-11-19/1-1.seg: keep, its day is not closed"]

    assert pruned(settings, capsys, apply=False) == [*fates, f"2 segments of {size} bytes would be deleted, 1 kept"]
    assert all(path.exists() for path in (*going, kept))
    assert pruned(settings, capsys, apply=True) == [*fates, f"2 segments deleted, {size} bytes freed, 1 kept"]
    assert [path.exists() for path in (*going, kept)] == [False, False, True]


def cleaned(settings: Any, receipt: Path, capsys: pytest.CaptureFixture[str], *, apply: bool) -> list[str]:
    words = argparse.Namespace(plan=not apply, apply=apply, receipt=[receipt], keep_days=0)
    assert cleanup.run(words, settings) == 0
    return capsys.readouterr().out.splitlines()


def test_files_that_are_proven_elsewhere_go_and_the_others_are_counted_as_kept(
    closed: Place, settings: Any, receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pruned(settings, capsys, apply=True)
    damaged = closed.current("quotes")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    proven = {closed.current(kind) for kind in ("depth", "raw")}

    plan = cleaned(settings, receipt, capsys, apply=False)

    going = [closed.lake / line.removesuffix(": delete") for line in plan if line.endswith(": delete")]
    size = sum(path.stat().st_size for path in going)
    assert proven <= {*going} and damaged not in going
    keep = f"{damaged.relative_to(closed.lake)}: keep, it is not what its manifest says; run harvester verify"
    assert [line for line in plan if ": keep" in line] == [keep]
    assert plan[-1] == f"{len(going)} files of {size} bytes would be deleted, 1 kept"
    assert all(path.exists() for path in going)
    done = cleaned(settings, receipt, capsys, apply=True)
    assert done == [*plan[:-1], f"{len(going)} files deleted, {size} bytes freed, 1 kept"]
    assert damaged.exists() and not any(path.exists() for path in going)


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command on DAYS; of each the outcome that is given."""

    def run(outcomes: dict[date, Any], **words: Any) -> int:
        def close_day(*, partition: Partition, **_: Any) -> Closing:
            outcome = outcomes[partition.date]
            if isinstance(outcome, Exception):
                raise outcome
            return Closing(partition, outcome)

        calendar = SimpleNamespace(file=None, phases=("continuous",))
        known = SimpleNamespace(knows=lambda day: True, of=lambda name: known)
        monkeypatch.setattr(close.TradingCalendar, "load", lambda *_: known)
        for name, found in {"close_day": close_day, "expect_day": None, "pending_days": [*outcomes]}.items():
            monkeypatch.setattr(close, name, found if callable(found) else lambda *_, found=found: found)
        monkeypatch.setattr(close, "calendars_of", lambda *_: [])
        places = {"journal_dir": tmp_path, "lake_dir": tmp_path, "host_id": "h", "archive": "zstd"}
        given = argparse.Namespace(**{"date": None, "due": False, "rebuild": False, "explain": ""} | words)
        return close.run(given, SimpleNamespace(**places, calendar=calendar))  # type: ignore[arg-type]

    return run


def test_each_day_that_cannot_be_closed_is_named_and_the_others_are_closed(
    closing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first, over, third, last = DAYS
    outcomes = {first: HarvesterError("the first"), over: NotOverError("later"), third: HarvesterError("the third")}

    with pytest.raises(HarvesterError) as failed:
        closing({**outcomes, last: UNCHANGED})

    assert str(failed.value) == "the first\nthe third"
    assert not isinstance(failed.value, NotOverError)
    assert capsys.readouterr().out == f"later\n{last}: closed before, nothing new.\n"


def test_a_day_that_is_not_over_fails_where_it_was_asked_for_alone(
    closing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert closing({DAYS[0]: NotOverError("later"), DAYS[1]: NOTHING}) == 0
    with pytest.raises(NotOverError, match="later"):
        closing({DAYS[0]: NotOverError("later")}, date=DAYS[0].isoformat())
    assert closing({}) == 0
    assert capsys.readouterr().out.splitlines() == [
        "later",
        f"{DAYS[1]}: no session and no data, nothing to close.",
        "Every day is closed.",
    ]


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A host on DAYS[0]; `told` gives what a command says there, of a day that is closed or not."""
    calendar = SimpleNamespace(file=None)
    places = {"journal_dir": tmp_path / "journal", "lake_dir": tmp_path / "lake", "host_id": "h", "archive": "zstd"}
    settings = SimpleNamespace(**places, calendar=calendar, disk_reserve_bytes=1_000)
    for module in (build, so_far):
        monkeypatch.setattr(module.TradingCalendar, "load", lambda *_: None)
        monkeypatch.setattr(module, "to_local", lambda _: datetime.combine(DAYS[0], time(10)))
        monkeypatch.setattr(module, "expect_day", lambda *_: None)
        monkeypatch.setattr(module, "load_manifest", lambda *_: None)
    return settings


@pytest.mark.parametrize("name", ["build", "so_far"])
def test_what_is_closed_is_read_in_the_lake(
    today: Any, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = {"build": build, "so_far": so_far}[name]
    monkeypatch.setattr(module, "load_manifest", lambda *_: "a manifest")

    assert module.run(argparse.Namespace(due=False, output=Path("/else/where")), today) == 0

    where = f": read it in {today.lake_dir}." if name == "so_far" else "."
    assert capsys.readouterr().out == f"{DAYS[0]} is closed{where}\n"


@pytest.mark.parametrize(
    ("outcome", "slices", "said"),
    [
        (BUILT, 3, "5 segments became parts, 3 slices of tables."),
        (BUILT, 0, "5 segments became parts."),
        (NO_ROOM, 3, f"{NO_ROOM}; the close does what is not here."),
    ],
)
def test_a_build_leaves_the_recorder_four_times_its_reserve(
    today: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: str,
    slices: int,
    said: str,
) -> None:
    """Health warns below twice of it: what can wait for the close must not be what fills the disk."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(build, "build_parts", lambda **words: asked.append(words) or (outcome, 5))
    monkeypatch.setattr(build, "build_slices", lambda **_: slices)

    assert build.run(argparse.Namespace(due=False), today) == 0

    assert [words["reserve_bytes"] for words in asked] == [4_000]
    assert capsys.readouterr().out == f"{DAYS[0]}: {said}\n"
