"""Looks out of the ordinary: files of one name, a clock set back, a mailbox that takes nothing, a kill in between."""

import pytest
import structlog
from tests.workers.conftest import Place, report
from tests.workers.weeks import MINUTE, START, World, beats, status

from harvester.workers import round as rounds
from harvester.workers.judge import Sight
from harvester.workers.mailbox import FolderMailbox, MailboxError
from harvester.workers.round import look_at


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
