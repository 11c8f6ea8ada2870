"""Evenings of two hosts that deliver: what is not delivered keeps its host running, and people hear of it from AWS."""

from collections.abc import Iterator
from types import ModuleType

import pytest
from tests.aws_days.rendering import NAMES, render
from tests.aws_days.world import World, ist, living

from harvester.calendar import TradingCalendar

SHORT = {NAMES.host(1): "h1", NAMES.host(2): "h2", f"{NAMES.stem}: ": ""}


@pytest.fixture
def world(modules: dict[str, ModuleType], calendar: TradingCalendar) -> Iterator[World]:
    """A Monday noon, in an account where each host has a price feed."""
    delivering = render(aws_storage_price_feed=["one/", "two/"])
    with living(delivering, modules, calendar, ist("2026-11-02T06:30")) as world:
        world.push_token()
        yield world


def short(lines: list[str]) -> list[str]:
    for name, instead in SHORT.items():
        lines = [line.replace(name, instead) for line in lines]
    return lines


def test_a_delivery_that_is_missing_is_told_by_aws_and_its_host_runs_until_it_is_made(world: World) -> None:
    first, second = world.hosts
    world.run(ist("2026-11-02T15:30"))
    first.undelivered = second.undelivered = 1
    world.run(ist("2026-11-02T16:35"))
    second.undelivered = 0  # by the second try of its timer
    world.run(ist("2026-11-02T20:30"))

    assert short(world.cloud.done)[-1:] == ["2026-11-02 16:37 stop h2"]
    told = short(world.cloud.told)
    assert told == [
        "2026-11-02 17:01 ALARM dues-h1",
        "2026-11-02 20:12 what was due on 2026-11-02 is not delivered",
    ]
    first.undelivered = 0  # somebody saw to it in the night
    world.run(ist("2026-11-03T20:30"))
    assert short(world.cloud.told)[2:] == []
    assert [line for line in short(world.cloud.done) if "stop h1" in line] == ["2026-11-03 16:27 stop h1"]


def test_a_host_that_says_nothing_of_its_deliveries_is_not_stopped_and_people_are_told(world: World) -> None:
    world.run(ist("2026-11-02T15:50"))
    world.cloud.objects.add(f"lake/manifest/date=2026-11-02/host={NAMES.host(1)}/manifest-1.json")
    world.hosts[0].dead = True
    world.run(ist("2026-11-02T20:30"))

    assert [line for line in short(world.cloud.done) if "stop" in line] == ["2026-11-02 16:27 stop h2"]
    assert short(world.cloud.told) == ["2026-11-02 20:12 what was due on 2026-11-02 is not delivered"]
