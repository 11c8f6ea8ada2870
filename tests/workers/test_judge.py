"""States, misses, restarts and messages of one worker, each by itself."""

import json
from typing import Any

import pytest
from tests.workers.conftest import report
from tests.workers.weeks import HOUR, MINUTE, RULES, START, World, beats, stamp, status

from harvester.workers.faults import Treatment, answer
from harvester.workers.judge import TIMEOUT, Sight, judge
from harvester.workers.memory import Memory
from harvester.workers.reports import parse_report
from harvester.workers.status import read_status, read_time


def test_a_worker_that_writes_and_whose_step_rises_is_alive_and_nobody_hears_of_it() -> None:
    world = World()
    world.run(24 * 60, beats())
    assert world.states == [(0, "alive")]
    assert world.done == []


def test_a_death_is_slow_then_silent_and_people_hear_at_the_first_and_third_miss() -> None:
    world = World()
    world.run(600, beats(until=100))
    assert world.states == [(0, "alive"), (130, "slow"), (190, "silent")]
    assert world.told() == [
        (190, "critical", "missed"),
        (310, "critical", "missed"),
        (370, "critical", "budget"),
    ]
    assert world.restarts() == [190, 250, 310]
    assert world.done[-1][1].text.startswith("The worker colab needs a person\n")
    first = world.done[1][1]
    assert first.text == (
        "The worker colab is silent, miss 1\nno sign of life for 90 min. restart 1 of 3 in 24 hours was asked for."
    )
    assert "harvester workers pause colab" in first.remedy


def test_ninety_minutes_are_the_limit_to_the_nanosecond() -> None:
    at = START + 100 * MINUTE
    memory = Memory(first_ns=START, seen_ns=at, visible_ns=START, content="x", beat_ns=START, rose_ns=START, step=1)
    old = status(START)
    same = judge(memory, Sight(old), at, RULES)  # its content is new to us, so it was written since the last look
    for age, state in (
        (90 * MINUTE - 1, "slow"),
        (90 * MINUTE, "silent"),
        (30 * MINUTE - 1, "alive"),
        (30 * MINUTE, "slow"),
    ):
        memory = Memory(
            first_ns=START, seen_ns=START + age - MINUTE, visible_ns=START, content=same.content, beat_ns=START
        )
        assert judge(memory, Sight(old), START + age, RULES).state == state


def test_the_signal_says_why_and_goes_when_the_worker_lives_and_had_time_to_read_it() -> None:
    world = World()
    world.run(200, beats(until=100))
    assert [act.cause for _, act in world.done if act.kind == "signal"] == [TIMEOUT]
    back = world.minute
    world.run(60, lambda minute: status(START + minute * MINUTE, minute))
    assert [minute for minute, act in world.done if act.kind == "clear"] == [190 + 30]
    assert all(act.at_ns == START + minute * MINUTE for minute, act in world.done), "also of what is over"
    assert world.signal is None
    assert (back, "clear", "missed") in world.told()
    assert world.memory.misses == 0


def test_a_signal_of_a_dead_worker_goes_after_a_day() -> None:
    world = World(rules=RULES._replace(restarts_a_day=1))
    world.run(27 * 60, beats(until=0))
    cleared = [minute for minute, act in world.done if act.kind == "clear"]
    assert cleared == [90 + 24 * 60]
    assert world.restarts() == [90, 90 + 24 * 60], "a day later there is room in the budget again"


def test_fresh_without_progress_is_stuck_and_counts_as_a_miss() -> None:
    world = World()
    world.run(400, lambda minute: status(START + minute * MINUTE, 7))
    assert world.states == [(0, "alive"), (360, "stuck")]
    assert world.told() == [(360, "critical", "missed")]
    assert "at step 7 for 6 h 00 min" in world.done[1][1].text
    world.run(30, lambda minute: status(START + minute * MINUTE, 8))
    assert world.states[-1] == (400, "alive")
    assert world.told()[-1] == (400, "clear", "missed")


def test_without_a_step_nothing_is_stuck() -> None:
    world = World()
    world.run(24 * 60, lambda minute: status(START + minute * MINUTE, None))
    assert world.states == [(0, "alive")]
    world = World(rules=RULES._replace(stuck_ns=0))
    world.run(24 * 60, lambda minute: status(START + minute * MINUTE, 7))
    assert world.states == [(0, "alive")]


def test_a_finished_worker_may_be_silent_for_ever() -> None:
    world = World()
    world.run(48 * 60, lambda minute: status(START + min(minute, 60) * MINUTE, 9, finished=minute >= 60))
    assert world.states == [(0, "alive"), (60, "finished")]
    assert world.done == []


@pytest.mark.parametrize("word", ["finished", "completed", "done"])
def test_the_status_may_say_that_it_is_done_in_a_word(word: str) -> None:
    assert read_status(status(START, status=word), "colab", ("iteration",), "UTC").finished
    assert not read_status(status(START, status="running"), "colab", ("iteration",), "UTC").finished


def test_for_our_blindness_nobody_is_restarted_and_after_it_the_worker_has_time_to_show_itself() -> None:
    world = World()
    world.run(100, beats())
    world.run(24 * 60, lambda _: "drive: 403 rateLimitExceeded")
    assert world.states[1:] == [(100, "unknown")]
    assert world.told() == [(125, "warning", "unseen")]
    assert world.restarts() == []
    assert [act.at_ns for _, act in world.done] == [START + 125 * MINUTE]
    began = world.minute
    world.run(20, beats(until=90))  # its last status is a day old: it could not write, either
    assert world.memory.state == "silent"
    assert world.restarts() == []
    world.run(60, lambda minute: status(START + minute * MINUTE, minute))
    assert world.restarts() == []
    assert world.told()[1:] == [(began, "clear", "unseen")]


def test_a_worker_that_died_in_our_blindness_is_missed_half_an_hour_after_it() -> None:
    world = World()
    world.run(100, beats())
    world.run(300, lambda _: "no route to host")
    world.run(120, beats(until=90))
    assert world.restarts()[0] == 400 + 30


def test_an_overseer_that_was_off_does_not_blame_the_worker() -> None:
    world = World()
    world.run(100, beats())
    world.minute += 8 * 60
    world.run(25, beats(until=90))
    assert world.restarts() == []


def test_one_failed_look_changes_nothing() -> None:
    world = World()
    world.run(600, lambda minute: "cut" if minute % 20 == 5 else beats()(minute))
    assert world.told() == []
    world = World()
    world.run(300, lambda minute: "cut" if minute % 20 == 5 else beats(until=100)(minute))
    assert world.restarts()[0] == 190


@pytest.mark.parametrize("hours", [-9, -5.5, 5.5, 9])
def test_a_clock_that_is_off_by_hours_is_no_death(hours: float) -> None:
    world = World()
    world.run(24 * 60, lambda minute: status(START + minute // 10 * 10 * MINUTE + int(hours * HOUR), minute))
    assert world.restarts() == []
    assert world.told() == ([(0, "warning", "clock")] if hours > 0 else [])


@pytest.mark.parametrize("hours", [-5.5, 5.5])
def test_a_death_under_a_wrong_clock_is_noticed_as_soon(hours: float) -> None:
    world = World()
    world.run(
        400,
        lambda minute: status(
            START + min(minute, 100) // 10 * 10 * MINUTE + int(hours * HOUR), minute // 10 if minute < 101 else 10
        ),
    )
    assert world.restarts()[0] in (185, 190)


def test_a_time_without_a_zone_is_read_as_utc_with_a_remark() -> None:
    world = World()
    bare = lambda minute: json.dumps({"timestamp": stamp(START + minute * MINUTE, None), "iteration": minute}).encode()  # noqa: E731
    world.run(120, bare)
    assert world.told() == [(0, "info", "zone")]
    assert read_time("2026-11-24T00:00:00", "Asia/Kolkata") == (START, True)
    assert read_time("2026-11-24T00:00:00+05:30", "UTC") == (START, False)
    assert read_time("2026-11-23T18:30:00Z", "UTC") == (START, False)
    assert read_time(START / 10**9, "UTC") == (START, False)
    for none in ("yesterday", "", None, True, [], float("nan"), float("inf"), "0001-01-01T00:00:00+25:00"):
        assert read_time(none, "UTC") == (None, False)


@pytest.mark.parametrize(
    "content", [b"", b'{"timestamp": "2026-11-2', b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"iteration": 3}']
)
def test_a_half_written_status_is_a_sign_of_life_and_one_that_stays_so_is_told(content: bytes) -> None:
    world = World()
    world.run(100, beats())
    world.run(5, lambda _: content)
    assert (world.memory.state, world.told()) == ("alive", [])
    fault = read_status(content, "colab", ("iteration",), "UTC").fault
    assert fault and world.memory.cause == f"of its status: {fault}"
    world.run(40, lambda _: content)
    assert world.told() == [(125, "warning", "status")]
    assert world.memory.state == "slow"
    world.run(100, lambda _: content)
    assert world.restarts() == [185], "95 minutes at which it was last seen to change, and 90 more"


def test_the_status_of_another_worker_is_nothing_that_anybody_can_judge_by() -> None:
    world = World()
    world.run(100, beats())
    world.run(24 * 60, lambda minute: status(START + minute * MINUTE, minute, worker="kaggle"))
    assert world.memory.state == "unknown"
    assert world.told() == [(100, "warning", "foreign")]
    assert world.done[-1][1].text.startswith("The mailbox of the worker colab has the status of kaggle\n")
    assert world.restarts() == []


def test_a_worker_that_never_wrote_is_missed_ninety_minutes_after_the_first_look() -> None:
    world = World()
    world.run(200, lambda _: None)
    assert world.states[-1] == (90, "silent")
    assert world.restarts()[0] == 90
    assert "there is none" in world.memory.cause


def test_two_overseers_do_not_both_restart() -> None:
    world = World()
    world.signal = json.dumps({"requested_by": "host-2", "requested_at": stamp(START)}).encode()
    world.run(300, beats(until=0))
    assert world.restarts() == []
    assert world.told()[0] == (0, "warning", "overseers")
    assert "host-2 asked it to restart" in next(act.text for _, act in world.done if act.cause == "missed")


def test_a_signal_of_another_overseer_from_the_future_hinders_nothing() -> None:
    world = World()
    world.run(100, beats())
    asked = {"requested_by": "host-2", "requested_at": stamp(START + 900 * MINUTE), "reason": "x"}
    world.signal = json.dumps(asked).encode()
    world.run(100, beats(until=95))
    assert world.restarts() == [180]


@pytest.mark.parametrize("signal", [b"", b"null", b"[]", b"{", b"\xff", b'{"requested_by": 3}'])
def test_a_signal_that_nobody_can_read_is_cleared_and_hinders_nothing(signal: bytes) -> None:
    world = World()
    world.signal = signal
    world.run(120, beats(until=0))
    assert world.done[0][1].kind == "clear"
    assert world.restarts()[0] == 90


def test_a_worker_that_begins_anew_three_times_in_an_hour_is_told() -> None:
    world = World()
    world.run(120, lambda minute: status(START + minute * MINUTE, minute % 20))
    assert (60, "critical", "falls") in world.told()
    assert world.restarts() == []
    world.run(120, beats(first=1000))
    assert world.told()[-1][1:] == ("clear", "falls")


def test_a_paused_worker_is_judged_and_left_alone() -> None:
    world = World(memory=Memory(paused=True))
    world.run(600, beats(until=0))
    assert world.memory.state == "silent"
    assert world.done == []


def test_with_a_command_a_restart_is_both() -> None:
    world = World(rules=RULES._replace(command=True))
    world.run(100, beats(until=0))
    assert [act.kind for _, act in world.done] == ["signal", "command", "tell"]


def test_a_budget_of_nothing_tells_and_restarts_nobody() -> None:
    world = World(rules=RULES._replace(restarts_a_day=0))
    world.run(300, beats(until=0))
    assert world.restarts() == []
    assert [each[1:] for each in world.told()] == [("critical", "missed"), ("critical", "missed")]
    assert "restarts are switched off" in world.done[0][1].text


def test_our_own_clock_that_is_set_back_restarts_nobody() -> None:
    world = World()
    world.run(300, beats())
    world.minute -= 200
    world.run(200, lambda minute: status(START + minute * MINUTE, minute))
    assert world.restarts() == []


def test_a_death_after_our_own_clock_was_set_back_is_noticed_as_soon() -> None:
    world = World(minute=540)
    world.run(60, beats())
    world.minute -= 540
    world.run(300, beats(until=100))
    assert world.restarts()[0] == 190


MONTH = 30 * 24 * 60


def set_back(world: World, minutes: int = MONTH) -> int:
    """Our own clock had been ahead for some hours; the minute that it is in truth."""
    world.minute -= minutes
    return world.minute


def test_restarts_of_a_clock_that_was_ahead_leave_the_budget_after_a_day() -> None:
    world = World(minute=MONTH)
    world.run(400, beats(until=MONTH))
    assert len(world.restarts()) == 3
    now = set_back(world)
    world.run(60, beats())
    died = world.minute
    world.run(27 * 60, beats(until=died))
    again = [minute for minute in world.restarts() if minute < MONTH]
    assert again and again[0] <= now + 24 * 60 + 60


def test_steps_that_fell_by_a_clock_that_was_ahead_are_forgotten_after_an_hour() -> None:
    world = World(minute=MONTH)
    for step in (9, 1, 9, 1, 9, 1):
        world.run(5, lambda minute, step=step: status(START + minute * MINUTE, step))
    assert world.told()[-1][1:] == ("critical", "falls")
    now = set_back(world)
    world.run(90, beats())
    assert [each for each in world.told() if each[0] < MONTH] == [(now + 60, "clear", "falls")]


def test_what_is_illegible_or_unseen_after_our_clock_was_set_back_is_told_as_soon() -> None:
    for sight, cause in ((b"{", "status"), ("no way there", "unseen")):
        world = World(minute=MONTH)
        world.run(60, beats())
        now = set_back(world)
        world.run(60, lambda _, sight=sight: sight)
        assert world.told() == [(now + 30, "warning", cause)]


def test_a_signal_of_a_clock_that_was_ahead_does_not_lie_there_until_its_time() -> None:
    world = World(minute=MONTH)
    world.run(120, beats(until=MONTH))
    assert world.signal is not None
    set_back(world)
    world.run(60, beats())
    assert world.signal is None


def test_a_worker_that_never_showed_itself_is_silent_as_soon_after_our_clock_was_set_back() -> None:
    world = World(minute=MONTH)
    world.run(20, lambda _: None)
    now = set_back(world)
    world.run(120, lambda _: None)
    assert (now + 90, "silent") in world.states


@pytest.mark.parametrize(("ahead_s", "stays"), [(0, True), (119, True), (120, True), (121, False), (86_400, False)])
def test_a_signal_of_another_clock_may_be_two_minutes_ahead(ahead_s: int, stays: bool) -> None:
    at_ns = START + ahead_s * 10**9
    signal = json.dumps({"requested_by": "host-2", "requested_at": stamp(at_ns)}).encode()

    after = judge(Memory(), Sight(status(START), signal), START, RULES)

    assert [act.kind for act in after.pending if act.kind == "clear"] == ([] if stays else ["clear"])


@pytest.mark.parametrize(
    ("memory", "restarts", "done"),
    [
        ({}, 1, "Restart 1 of 3 in 24 hours was asked for."),
        ({"paused": True}, 0, "It is paused, so it was not restarted."),
        ({"restarts": (START - 29 * MINUTE,)}, 0, "Its restart was asked for already."),
        ({"restarts": (START - 30 * MINUTE,)}, 1, "Restart 2 of 3 in 24 hours was asked for."),
        ({"restarts": (START - 29 * MINUTE,), "beat_ns": START}, 1, "Restart 2 of 3 in 24 hours was asked for."),
    ],
)
def test_a_report_restarts_unless_somebody_said_no_or_it_was_asked_for_already(
    memory: dict[str, Any], restarts: int, done: str
) -> None:
    made = parse_report(json.dumps(report()).encode())
    after = answer(Memory(**memory), made, Treatment("OOM"), START, RULES)
    assert [act.kind for act in after.pending].count("signal") == restarts
    assert after.pending[-1].text == (f"The worker colab reported OOM\nRuntimeError: CUDA out of memory\n{done}")
    assert answer(after, made, Treatment("OOM"), START + MINUTE, RULES) == after, "it counts once"
