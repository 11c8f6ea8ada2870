"""Each breakage of the table: who names it, how soon, and whether the printed remedy makes the host well."""

import re
import shlex
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import Figure
from tests.sre.breakages import BREAKAGES, Breakage, act
from tests.sre.dead_man import watch_by_dead_man
from tests.sre.remedies import read_steps
from tests.sre.world import QUIET, Said, World, read_findings, repeat_until

FIRST_SIX = [each for each in BREAKAGES if each.first_six]
ROUNDS, SETTLES = 3, 60
NEVER = 240
"""Seconds after which nothing is expected to name it any more."""
MINUTES = 20
"""Runs of the alerts after which nothing more is expected of them."""
LIMITS = {"host": 300, "dead-man": 360}

SAID = "journalctl --no-pager --lines=60 --unit=harvester-watch --unit=harvester-alert; cat /run/harvester-watch/*.json"

BRING_FORWARD = """
import fcntl, json, pathlib
path = pathlib.Path("/var/lib/harvester-alert/book.json")
lock = path.with_name("lock").open("a")
fcntl.flock(lock, fcntl.LOCK_EX)
book = json.loads(path.read_bytes())
book |= {"window_ns": 0, "suspects": dict.fromkeys(book["suspects"], 0)}
path.write_text(json.dumps(book))
"""
"""What a notice waits for, and the rest of a storm, is over. Under the alerts' lock: the timer runs them, too."""


def ask_both(world: World) -> dict[str, Said]:
    """What status and doctor say, asked side by side."""
    commands = ("status", "doctor")
    with ThreadPoolExecutor(len(commands)) as pool:
        said = pool.map(lambda command: world.here(f"./inv {command}"), commands)
        return dict(zip(commands, said, strict=True))


def is_well(world: World) -> bool:
    return all(said.code == 0 for said in ask_both(world).values())


def test_six_breakages_at_once_are_named_told_and_repaired_as_printed(world: World, figure: Figure) -> None:
    """The minute of the alert's timer, and that in which the rest of a storm waits, are brought forward.

    That the host was well before is what site.yml ends with, and that it was these that were named is what is seen
    when it is well again.
    """
    world.host(QUIET)
    began = time.monotonic()
    for each in FIRST_SIX:
        act(world, each.breaks)
    said = ask_both(world)
    for command, answer in said.items():
        unnamed = [each.name for each in FIRST_SIX if answer.find(each.words) is None]
        assert not unnamed, f"{command} does not name: {unnamed}\n{answer.output}"
    untold = tell_all(world, began)
    assert not untold, f"no alert names: {untold}\n{world.heard}\n{world.host(SAID).stdout}"
    figure("six_told", round(time.monotonic() - began, 1), bound="<= 60", unit="s")

    repairs = time.monotonic()
    repair(world, [(said["status"].find(each.words) or "", each) for each in FIRST_SIX])
    well = follow_what_is_left(world, FIRST_SIX[0])
    figure("six_well", round(time.monotonic() - repairs, 1), bound="<= 120", unit="s")
    assert well, world.here("./inv status").output + world.here("./inv doctor").output


@pytest.mark.long
@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.name.replace(" ", "-"))
def test_a_breakage_is_named_told_and_repaired_as_printed(world: World, breakage: Breakage, figure: Figure) -> None:
    world.be_ready(breakage.market, with_a_day=breakage.needs_day)
    assert repeat_until(lambda: is_well(world), NEVER)[0], world.here("./inv status").output
    if breakage.told_by == "dead-man":
        patience = 2 * LIMITS["dead-man"]  # it does not judge the first minutes of a session, which begins at midnight
        heard = watch_by_dead_man(world, time.monotonic(), patience, silent=False)
        assert heard is not None, "the dead-man finds the host silent that is well"
    world.host(QUIET)
    name = re.sub(r"\W+", "_", breakage.name)
    act(world, breakage.breaks)
    broken = time.monotonic()

    named = {}
    for command in breakage.named_by:
        answer, took = repeat_until(lambda command=command: find(world, command, breakage), NEVER)
        figure(f"{name}_{command}", round(took, 1), bound="<= 15", unit="s")
        assert answer, f"{command} never named it: {world.here(f'./inv {command}').output}"
        named[command] = answer
    if breakage.told_by != "nobody":
        hear(world, breakage, broken, figure, name)

    if breakage.passes:
        act(world, breakage.passes)
    began = time.monotonic()
    repair(world, [(named[breakage.named_by[-1]], breakage)])
    well = follow_what_is_left(world, breakage)
    figure(f"{name}_well", round(time.monotonic() - began, 1), bound="<= 120", unit="s")
    assert well, world.here("./inv status").output + world.here("./inv doctor").output


def find(world: World, command: str, breakage: Breakage) -> str | None:
    return world.here(f"./inv {command}").find(breakage.words)


def hear(world: World, breakage: Breakage, broken: float, figure: Figure, name: str) -> None:
    limit = LIMITS[breakage.told_by]
    if breakage.told_by == "dead-man":
        heard = watch_by_dead_man(world, broken, 2 * limit, silent=True)
    else:
        heard = world.listen(breakage.words, broken, 2 * limit)
    assert heard is not None, f"no alert named it within {2 * limit} s; heard: {world.heard}"
    figure(f"{name}_alert", round(heard, 1), bound=f"<= {limit}", unit="s")


def tell_all(world: World, since: float) -> list[str]:
    """Have minutes of the host's timers pass until all six were told, the gravest first; which were not.

    In each minute the watch looks before the alerts do: of one that began between two looks the alerts know nothing.
    """
    untold = [each.name for each in FIRST_SIX]
    for _ in range(MINUTES):
        world.host(f"systemctl start harvester-watch harvester-alert; python3 -c {shlex.quote(BRING_FORWARD)}")
        untold = [each.name for each in FIRST_SIX if world.listen(each.words, since, 0) is None]
        if not untold:
            break
    return untold


def repair(world: World, remedies: Iterable[tuple[str, Breakage]]) -> None:
    """Run the commands of these remedies, each once, as they were printed; one that refuses, again after the others."""
    told = list(remedies)
    done: set[str] = set()
    refused = [each for each in told if follow(world, *each, done)]
    for fix, breakage in refused:
        trouble = follow(world, fix, breakage, done)
        assert not trouble, f"{breakage.name}: {fix!r} did not end well: {trouble}"


def follow_what_is_left(world: World, breakage: Breakage) -> bool:
    """Whether the host is well again, by itself or by the remedies of what its breakage brought with it."""
    for _ in range(ROUNDS):
        if repeat_until(lambda: is_well(world), SETTLES)[0]:
            return True
        for _, fix in read_findings(world.here("./inv status").output):
            follow(world, fix, breakage, set())
    return is_well(world)


def follow(world: World, fix: str, breakage: Breakage, done: set[str]) -> str:
    """Run the commands of a remedy that are not among those `done`; what the last one said if it failed, or nothing."""
    steps = list(read_steps(fix))
    assert steps or breakage.passes or not fix, f"{breakage.name}: the remedy names no command: {fix!r}"
    trouble = ""
    for step in steps:
        if step.command in done or (step.if_failed and not trouble):
            continue
        said = run_step(world, step.command, breakage.given.replace("CHANNEL", world.channel), on_host=step.on_host)
        trouble = f"{step.command}: {said.code} {said.output[-3000:]}{said.errors}" if said.code else ""
        if not trouble:
            done.add(step.command)
        if breakage.shows and breakage.shows in said.output:
            world.host(f"rm -r {breakage.shows}")
    return trouble


def run_step(world: World, command: str, given: str, *, on_host: bool) -> Said:
    if not on_host:
        return world.here(command, given=given)
    done = world.host(command, check=False)
    return Said(done.returncode, done.stdout + done.stderr)
