"""A host that runs, beats and records nothing: told within 5 minutes, and nights tell nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.aws_days.rendering import NAMES
from tests.aws_days.world import World, ist

HOST = NAMES.host(1)
Live = Callable[[datetime], World]


def about_data(world: World) -> list[datetime]:
    """When people were told that the first host records nothing."""
    return [ist(line[:16].replace(" ", "T")) for line in world.cloud.told if f"ALARM idle-{HOST}" in line]


@pytest.mark.parametrize(
    ("begin", "deaf_from", "until"),
    [
        pytest.param("2026-11-18T20:00", "2026-11-19T09:15", "2026-11-19T12:00", id="since the opening"),
        pytest.param("2026-11-19T06:00", "2026-11-19T11:20", "2026-11-19T14:00", id="within the session"),
        pytest.param("2026-11-19T06:00", "2026-11-19T11:20:01", "2026-11-19T14:00", id="after a minute began"),
        pytest.param("2026-11-20T18:00", "2026-11-20T23:00", "2026-11-23T12:00", id="after a weekend"),
        pytest.param("2026-11-08T12:00", "2026-11-08T18:30", "2026-11-08T19:30", id="muhurat, on a Sunday"),
    ],
)
def test_a_day_without_data_is_told_within_five_minutes(
    begin: str, deaf_from: str, until: str, live: Live, figure: Any
) -> None:
    world = live(ist(begin))
    world.run(ist(deaf_from))
    world.hosts[0].deaf = True
    world.run(ist(until))

    opened = [each for each in world.openings() if ist(deaf_from) <= each < ist(until)]
    lost_since = opened[0] if opened else ist(deaf_from)
    told = [each for each in about_data(world) if each >= lost_since]
    assert told, f"nobody was told of what is lost since {lost_since}: {world.cloud.told}"
    assert about_data(world) == told[:1], "once, and of nothing before it"
    figure("data_alarm_seconds", (told[0] - lost_since).total_seconds(), bound="<= 300", unit="s", gate=True)


def test_a_good_day_and_its_nights_tell_nothing_of_data(live: Live) -> None:
    world = live(ist("2026-11-18T20:00"))
    world.run(ist("2026-11-20T06:00"))

    assert about_data(world) == []
    assert len(world.hosts[0].recorded) == timedelta(hours=6) // timedelta(minutes=1)
