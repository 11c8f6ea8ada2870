"""Workers in the ledger of what is due: hours met, missing, excused and unknown."""

import json
from datetime import date
from pathlib import Path

import pytest
from tests.workers.conftest import Place
from tests.workers.weeks import HOUR, MINUTE, START, World, beats, status

from harvester.base.errors import ConfigError
from harvester.dues.due import Entry
from harvester.dues.judge import ledger_of
from harvester.workers.memory import Memory, hour_of, save
from harvester.workers.source import WorkerSource, worker_sources

DAY = date(2026, 11, 24)
"""START is its midnight in India."""


def _states(place: Place, memory: Memory, hours: int) -> list[str]:
    place.folder.mkdir(parents=True, exist_ok=True)
    save(place.folder / "memory.json", memory)
    return [entry.state for entry in _ledger(place, hours)]


def _ledger(place: Place, hours: int) -> list[Entry]:
    """The ledger of the day, a quarter of an hour after that many hours of it."""
    place.clock.now_ns = START + hours * HOUR + 15 * MINUTE
    return ledger_of([WorkerSource(place.settings, place.clock)], DAY, place.clock.now_ns)


def test_each_hour_is_met_by_a_sign_of_life(place: Place) -> None:
    world = World()
    world.run(6 * 60, beats())
    assert _states(place, world.memory, 6) == ["met"] * 6 + ["waiting"] * 18


def test_hours_of_a_death_are_missing_and_those_of_blindness_unknown(place: Place) -> None:
    world = World()
    world.run(6 * 60, lambda minute: beats(until=60)(minute) if minute < 300 else "no route to host")
    world.run(60, lambda minute: status(START + minute * MINUTE, minute))
    assert _states(place, world.memory, 8)[:8] == [
        "met",
        "met",
        "met",
        "missing",
        "missing",
        "unknown",
        "met",
        "unknown",
    ]
    missing = _ledger(place, 8)[3]
    assert missing.cause.startswith("silent: no sign of life for ")
    assert missing.told, "the overseer told of it"
    assert "harvester workers restart colab" in missing.due.remedy


def test_finished_and_paused_hours_are_excused(place: Place) -> None:
    world = World()
    world.run(60, lambda minute: status(START + minute * MINUTE, minute, finished=True))
    assert _states(place, world.memory, 1)[0] == "excused"
    paused = World(memory=Memory(paused=True))
    paused.run(60, lambda _: None)
    assert _states(place, paused.memory, 1)[0] == "excused"


def test_hours_before_the_first_look_are_not_due(place: Place) -> None:
    world = World(minute=150)
    world.run(60, beats())
    assert _states(place, world.memory, 24) == ["met"] * 2 + ["unknown"] * 20
    assert ledger_of([WorkerSource(place.settings)], date(2026, 11, 23), START + HOUR) == []


def test_what_was_never_looked_at_is_not_due_and_a_damaged_memory_is_unknown(place: Place) -> None:
    assert ledger_of([WorkerSource(place.settings)], DAY, START) == []
    place.folder.mkdir(parents=True)
    (place.folder / "memory.json").write_text("{")
    [entry] = ledger_of([WorkerSource(place.settings)], DAY, START)
    assert (entry.state, "Remove that file" in entry.cause) == ("unknown", True)


def test_nine_days_of_hours_are_kept(place: Place) -> None:
    world = World(look=30)
    world.run(12 * 24 * 60, beats())
    assert len(world.memory.hours) == 9 * 24
    assert hour_of(START) == START and hour_of(START - 1) == START - HOUR


def test_a_host_that_oversees_nobody_has_no_source(tmp_path: Path, place: Place) -> None:
    assert worker_sources(tmp_path / "none.json") == []
    assert [source.kind for source in worker_sources(place.file)] == ["worker"]
    place.file.write_text(json.dumps({"host_id": "x"}))
    with pytest.raises(ConfigError, match="workers: required"):
        worker_sources(place.file)
