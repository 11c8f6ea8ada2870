"""A session, its close, its upload and its check on a booted host that has a gibibyte, with every unit measured."""

import time
from collections.abc import Callable

import pytest
from tests.sre.memory import GIBIBYTE, MIB, limit_of, table, watched
from tests.sre.world import HOST, World

from lab import calendar

pytestmark = pytest.mark.long
SESSION_SECONDS = 150
"""Two minutes' rounds of all that runs each minute."""


def test_a_day_on_a_host_with_a_gibibyte(world: World, figure: Callable[..., None]) -> None:
    group = world.lab.host(HOST).group
    folder = limit_of(group)
    if folder is None:
        pytest.skip("this machine enforces no memory limit on a group of processes (cgroup v1, memory)")
    with watched(group, folder) as peaks:
        opens, closes = calendar.announce(world.state / "calendar.json", lead_seconds=10, seconds=SESSION_SECONDS)
        world.deliver_calendar()
        time.sleep(max(0.0, closes.timestamp() + 2 - time.time()))
        for unit in (f"harvester-close@{opens.date()}", "harvester-upload", "harvester-attest", "harvester-verify"):
            world.host(f"systemctl start {unit}")
    world.day, world.market = f"{opens.date()}", "closed"
    print(table(peaks))

    figure("host_of_1_gib_not_reclaimable", round(peaks.host / MIB), bound="<= 768", unit="MiB")
    for unit, (_, pss) in peaks.units.items():
        figure(f"pss_{unit.removesuffix('.service')}", round(pss / MIB), bound="<= 300", unit="MiB")
    assert peaks.killed == 0, table(peaks)
    assert peaks.host < GIBIBYTE
    assert {"harvester-recorder.service", "harvester-close@.service", "harvester-logs.service"} <= set(peaks.units)
