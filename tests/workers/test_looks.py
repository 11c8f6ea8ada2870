"""Looks out of the ordinary: files of one name, a clock set back, a mailbox that takes nothing, a kill in between."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from tests.workers.conftest import Place, report
from tests.workers.weeks import MINUTE, START, World, beats, stamp, status

from harvester.alerts.inbox import take
from harvester.base.clock import NS_PER_SECOND
from harvester.workers import round as rounds
from harvester.workers.judge import AHEAD_NS, Sight, read_signal
from harvester.workers.mailbox import FolderMailbox, MailboxError
from harvester.workers.memory import Act
from harvester.workers.round import look_at
from harvester.workers.signal import signal_of
from harvester.workers.wording import span


def _refuse(*_: object) -> None:
    raise MailboxError("drive: full")


def test_files_of_one_name_are_named_until_each_is_there_once() -> None:
    world = World()
    for names in (("a.json", "b.json"), ()):
        world.see(Sight(status(world.now), duplicates=names))
    assert world.told() == [(0, "warning", "duplicates"), (0, "clear", "duplicates")]
    assert "files of one name\na.json, b.json: one of each" in world.done[0][1].text


def test_a_worker_that_stops_rising_after_our_own_clock_was_set_back_is_stuck_as_soon() -> None:
    world = World(minute=540)
    world.run(60, beats())
    world.minute -= 540
    begun = world.minute
    world.run(400, lambda minute: status(START + minute * MINUTE, 5))
    assert (begun + 360, "stuck") in world.states


def test_a_mailbox_that_takes_nothing_is_in_the_log_and_shown_life_at_the_next_look(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("error_report.json", report("ConnectionError", "reset"))
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logged:
        patched.setattr(FolderMailbox, "put", _refuse)
        look_at(place.parts())
    said = {"worker": "colab", "detail": "drive: full", "log_level": "warning"}
    assert logged == [{"event": "heartbeat_refused", **said}, {"event": "mailbox_refused", "act": "signal", **said}]
    look_at(place.parts())
    assert (place.box / "linux_heartbeat.json").exists()


def test_what_was_decided_for_a_report_outlives_a_kill_before_it_was_begun(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("error_report.json", report("ConnectionError", "reset"))
    perform, calls = rounds.perform, []

    def dies(parts: rounds.Parts, memory: rounds.Memory) -> rounds.Memory:
        calls.append(memory)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return perform(parts, memory)

    monkeypatch.setattr(rounds, "perform", dies)
    with pytest.raises(KeyboardInterrupt):
        look_at(place.parts())
    look_at(place.parts())
    assert [each[1] for each in place.told()] == ["reported CONNECTION"] and place.signal() is not None
    assert len(rounds.load(place.parts().memory).restarts) == 1


def test_two_looks_at_one_moment_count_one_miss() -> None:
    world = World(minute=200)
    world.run(200, lambda _: None)
    misses = world.memory.misses
    for _ in range(2):
        world.see(Sight())
        world.see(Sight())
    assert world.memory.misses <= misses + 1


def test_a_status_that_names_its_worker_is_its_own_and_two_minutes_ahead_are_none() -> None:
    world = World()
    world.see(Sight(status(START + AHEAD_NS, worker="colab")))
    assert (world.memory.state, world.told()) == ("alive", [])
    world.see(Sight(status(START + AHEAD_NS + NS_PER_SECOND, worker="colab")))
    assert world.told() == [(0, "warning", "clock")]


def test_a_signal_without_a_zone_is_of_utc_and_ours_has_whole_seconds() -> None:
    asked = {"requested_by": "host-2", "requested_at": "2026-11-23T18:30:00"}
    assert read_signal(json.dumps(asked).encode()) == ("host-2", START)
    assert json.loads(signal_of(Act(kind="signal", at_ns=START + 1), "host-1"))["requested_at"] == stamp(START)


def test_two_hours_are_said_in_hours() -> None:
    assert [span(minutes * MINUTE) for minutes in (119, 120, 125)] == ["119 min", "2 h 00 min", "2 h 05 min"]


def test_a_signal_is_taken_away_when_the_worker_lives_and_a_lost_one_has_a_remedy(place: Place) -> None:
    place.put("restart_requested.json", {"requested_by": "host-1", "requested_at": stamp(START - 40 * MINUTE)})
    place.put("colab_status.json", status(START))
    look_at(place.parts())
    assert place.signal() is None

    place.clock.now_ns += 100 * MINUTE
    for _ in range(20):
        look_at(place.parts())
        place.clock.now_ns += 2 * MINUTE
    [notice] = [each.notice for each in take(place.alerts)]
    assert notice.cause == "missed" and "harvester workers pause colab" in notice.remedy


def test_a_command_that_was_decided_long_ago_is_not_begun(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place(restart_command=["touch", str(tmp_path / "ran")])
    parts = place.parts()
    for minutes, ran in ((31, False), (29, True)):
        act = Act(kind="command", at_ns=START - minutes * MINUTE)
        rounds.save(parts.memory, rounds.Memory(pending=(act,), first_ns=START))
        look_at(parts)
        assert (tmp_path / "ran").exists() == ran


def test_a_report_that_cannot_be_read_waits_and_is_in_the_log(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put("error_report.json", report())
    read = FolderMailbox.read

    def refused(box: FolderMailbox, name: str) -> bytes | None:
        if name == "error_report.json":
            raise MailboxError("drive: cut")
        return read(box, name)

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logged:
        patched.setattr(FolderMailbox, "read", refused)
        look_at(place.parts())
    said = {"worker": "colab", "name": "error_report.json", "detail": "drive: cut", "log_level": "warning"}
    assert logged == [{"event": "report_left", **said}]
    look_at(place.parts())
    assert not (place.box / "error_report.json").exists()
