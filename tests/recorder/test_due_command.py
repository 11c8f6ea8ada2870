"""The command `due`: a day that is over is told before it is written down, and judged again when somebody asks."""

import json
from collections.abc import Collection
from datetime import date
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS

from harvester.alerts import inbox
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.calendar import TradingCalendar
from harvester.cli import run
from harvester.commands import due as command
from harvester.dues.due import Due, Found
from harvester.dues.settled import read_settled

HOUR_NS = 3600 * NS_PER_SECOND
MORNING_NS = OPEN_NS + 24 * HOUR_NS
"""Of the next day, when all of DAY is over."""


class Copies:
    """One copy is due on DAY at the opening; whether it came is a test's to say."""

    kind, tells = "job", True

    def __init__(self) -> None:
        self.met_ns: int | None = None

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        if day != DAY:
            return []
        by_ns = OPEN_NS + HOUR_NS
        return [Due(kind="job", name="copy", period=str(day), due_ns=OPEN_NS, by_ns=by_ns, proof="p", remedy="do it")]

    def find(self, due: Due) -> Found:
        return Found(met_ns=self.met_ns, proof="it is there" if self.met_ns else "")


class Host:
    """A host with these dues, at a moment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.copies, self.now_ns = folder, Copies(), MORNING_NS
        (folder / "inbox").mkdir()
        (folder / "dues").mkdir()
        host = command._Host("h1", folder, folder / "inbox", True, TradingCalendar.load(), [self.copies])
        monkeypatch.setattr(command, "_find_host", lambda _: host)
        monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: self.now_ns)

    @property
    def told(self) -> list[str]:
        return [each.notice.text for each in inbox.take(self.folder / "inbox")]

    @property
    def settled(self) -> list[str] | None:
        found = read_settled(self.folder, DAY)
        return [entry.state for entry in found.entries] if found else None


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def refuse(*_: object) -> None:
    raise HarvesterError("No space left on device")


def test_a_day_that_is_over_is_told_once_and_written_down(host: Host) -> None:
    host.now_ns = OPEN_NS + HOUR_NS
    assert run(["due", "--settle"]) == 0
    assert (host.told, host.settled) == ([], None), "it may come yet"
    host.now_ns = MORNING_NS
    for _ in range(3):
        assert run(["due", "--settle"]) == 0
        assert (len(host.told), host.settled) == (1, ["missing"])
    assert "2026-11-23: 1 due: 1 missing" in host.told[0]


@pytest.mark.parametrize(
    ("step", "after"),
    [("settle", (1, None)), ("post", (0, None))],
    ids=["it cannot be written", "nobody can be told"],
)
def test_what_breaks_off_between_is_done_again_so_that_nobody_is_left_untold(
    host: Host, monkeypatch: pytest.MonkeyPatch, step: str, after: tuple[int, list[str] | None]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(command, step, refuse)
        assert run(["due", "--settle"]) != 0
        assert (len(host.told), host.settled) == after

    assert run(["due", "--settle"]) == 0
    assert (len(host.told), host.settled) == (after[0] + 1, ["missing"])


@pytest.mark.parametrize("as_json", [False, True])
def test_what_came_after_a_day_was_written_down_is_seen_by_who_asks(
    host: Host, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    def asked() -> tuple[int, str]:
        code = run(["due", "--date", str(DAY), *(["--json"] if as_json else [])])
        said = capsys.readouterr().out
        return code, json.loads(said)["entries"][0]["state"] if as_json else said.splitlines()[0]

    run(["due", "--settle"])
    capsys.readouterr()
    assert asked() == (3, "missing" if as_json else f"{DAY}: 1 due: 1 missing, settled")
    host.copies.met_ns = MORNING_NS - HOUR_NS
    assert asked() == (0, "late" if as_json else f"{DAY}: 1 due: 1 late, settled")
    assert host.settled == ["missing"], "asking writes nothing"
    run(["due", "--settle"])
    assert (host.settled, len(host.told)) == (["late"], 1)
    host.copies.met_ns = None
    capsys.readouterr()
    assert asked()[0] == 0, "what came stays so"
