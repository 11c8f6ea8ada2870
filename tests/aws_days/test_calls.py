"""Single calls of the functions: what a retried call knows, and what a hand did between two."""

from collections.abc import Callable
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest
from tests.aws_days.rendering import NAMES
from tests.aws_days.world import ENVIRONMENT, World, ist

from harvester.base.errors import HarvesterError
from harvester.tokens.renewal import RenewalOutcome

Live = Callable[[datetime], World]


def test_the_refresh_is_tried_all_morning_and_only_its_last_call_fails(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = modules["token-refresh"]
    for name, value in {"APP_ID": "ABCDE12345-100", "ACCOUNT": "XX00000", "PREFIX": "/p/e"}.items():
        monkeypatch.setenv(name, value)
    rests: list[int] = []

    def renew(*_: object, rest_ns: int, **__: object) -> RenewalOutcome:
        rests.append(rest_ns)
        return RenewalOutcome("later", "the broker is busy", True)

    monkeypatch.setattr(refresh, "renew", renew)
    monkeypatch.setattr(refresh, "remedy", lambda: "")

    assert refresh.handler({"now": "2026-11-20T01:30:00Z"}, None) == {"outcome": "later"}
    with pytest.raises(HarvesterError, match="busy"):
        refresh.handler({"now": "2026-11-20T03:20:00Z"}, None)
    with pytest.raises(HarvesterError, match="busy"):
        refresh.handler({}, None)
    assert rests == [12 * 3_600 * 10**9] * 2 + [0]


def test_hosts_that_a_hand_stops_in_the_session_or_starts_in_the_evening_are_left_alone(live: Live) -> None:
    world = live(ist("2026-11-19T08:40"))
    first, second = (one.identity for one in world.cloud.instances)
    world.run(ist("2026-11-19T10:00"))
    world.cloud.ec2_StopInstances([first])
    world.run(ist("2026-11-19T17:00"))
    world.cloud.ec2_StartInstances([second])
    world.run(ist("2026-11-19T20:30"))

    states = [one.state(world.now) for one in world.cloud.instances]
    assert states == ["stopped", "running"]
    host = NAMES.host(2)
    assert [line for line in world.cloud.done if host in line] == [
        f"2026-11-19 08:50 start {host}",
        f"2026-11-19 16:27 stop {host}",
        f"2026-11-19 17:00 start {host}",
    ]


def test_a_test_message_of_the_functions_reaches_the_topic_and_says_how_it_went(
    live: Live, rendered: Any, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = live(ist("2026-11-19T12:00"))
    [own] = [one["environment"] for one in rendered["functions"] if one["id"] == "reminder"]
    for name, value in {**ENVIRONMENT, **own}.items():
        monkeypatch.setenv(name, value)

    assert modules["reminder"].handler({"test": True}, None) == {"test": [["sns", ""]]}
    assert world.cloud.told == ["2026-11-19 12:00 Test of the alert channels"]
