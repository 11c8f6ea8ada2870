"""A worker that is a process, whose life goes wrong without a word: the overseer's states, restarts and messages."""

import signal
import subprocess
import sys

import pytest
from tests.conftest import ROOT
from tests.workers.conftest import Place
from tests.workers.weeks import MINUTE, stamp

from harvester.workers.memory import Memory
from harvester.workers.round import look_at

STEP = """
import os, sys
sys.path.insert(0, sys.argv[1])
import worker_kit
worker_kit._now = lambda: sys.argv[5]
worker = worker_kit.Worker(sys.argv[2])
asked = worker.restart_requested()
worker.write_status(int(sys.argv[3]), finished=sys.argv[4] == "finished", asked=bool(asked))
if sys.argv[4] == "dies":
    os.kill(os.getpid(), 9)
"""
"""One step of a training, by the kit that a notebook imports; its hour is the test's."""


def work(place: Place, step: int, end: str = "goes on") -> int:
    """Have the worker's process do a step; how it ended."""
    command = [sys.executable, "-c", STEP, str(ROOT / "files/worker"), str(place.box), str(step), end]
    command.append(stamp(place.clock.now_ns))
    return subprocess.run(command, check=False).returncode


def looks(place: Place, minutes: int, every: int = 10) -> Memory:
    """The overseer's looks over so many minutes; what it knows then."""
    for _ in range(0, minutes, every):
        place.clock.now_ns += every * MINUTE
        memory = look_at(place.parts())
    return memory


@pytest.fixture
def place(place: Place) -> Place:
    """A worker whose process has done a step."""
    assert work(place, 1) == 0
    assert looks(place, 10).state == "alive"
    return place


def test_a_process_that_writes_and_does_not_come_on_is_stuck_and_restarted(place: Place) -> None:
    since, memory = place.clock.now_ns, look_at(place.parts())
    while memory.state == "alive":
        assert work(place, 1) == 0
        memory = looks(place, 20)
    assert 360 * MINUTE <= place.clock.now_ns - since <= 380 * MINUTE
    assert (memory.state, len(memory.restarts)) == ("stuck", 1)
    assert [(severity, cause) for severity, cause, _ in place.told()][-1][0] == "CRITICAL"
    assert place.signal() is not None
    assert work(place, 2) == 0, "it reads the signal, and begins anew"
    assert looks(place, 10).state == "alive" and place.signal() is None


def test_a_process_that_dies_is_silent_and_restarted_by_its_signal(place: Place) -> None:
    assert work(place, 2, "dies") == -signal.SIGKILL
    assert looks(place, 80).state == "slow"
    memory = looks(place, 20)
    assert (memory.state, len(memory.restarts)) == ("silent", 1) and place.signal() is not None
    assert work(place, 0) == 0
    assert looks(place, 10).state == "alive"


def test_a_process_that_came_to_its_end_is_restarted_by_nobody(place: Place) -> None:
    place.told()
    assert work(place, 9, "finished") == 0
    memory = looks(place, 3 * 24 * 60, every=60)
    assert (memory.state, memory.restarts, place.signal(), place.told()) == ("finished", (), None, [])


def test_while_nobody_sees_the_mailbox_nobody_is_restarted(place: Place) -> None:
    place.told()
    away = place.box.rename(place.box.with_name("away"))
    memory = looks(place, 12 * 60)
    assert (memory.state, memory.restarts) == ("unknown", ())
    assert [each[0] for each in place.told()] == ["WARNING"]
    away.rename(place.box)
    assert work(place, 2) == 0
    assert looks(place, 10).state == "alive"


def test_a_process_that_dies_three_times_in_an_hour_is_told_of_once(place: Place) -> None:
    place.told()
    for _ in range(3):
        assert work(place, 5, "dies") == -signal.SIGKILL
        looks(place, 10)
        assert work(place, 0) == 0
        memory = looks(place, 10)
    told = place.told()
    assert [each[0] for each in told] == ["CRITICAL"], told
    assert (memory.restarts, place.signal()) == ((), None), "it begins anew by itself"
