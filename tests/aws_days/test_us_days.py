"""The market us: hosts start and stop by New York's days, half days and the Sundays of its clock; who is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from types import ModuleType
from typing import Any

import pytest
from tests.aws_days.rendering import NAMES, render
from tests.aws_days.world import World, deployed, ist, living

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import entered
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from harvester.tokens.schwab_file import login_end

TODAY = date(2026, 10, 20)
LOGIN = NAMES.parameter("schwab_access_token")
HOST = NAMES.host(1)
Live = Callable[[str], "UsWorld"]


class UsWorld(World):
    """Its token is a login at Schwab, of seven days; hosts renew what is made of it."""

    def has_token(self) -> bool:
        stored = self.cloud.secrets.parameters.get(LOGIN)
        return bool(stored) and login_end(Secret(str(stored[-1]))) > self.now.timestamp() * NS_PER_SECOND

    def push_token(self) -> None:
        """Log in, unless a login is in force: nobody does that each morning here."""
        if self.has_token():
            return
        created = int(self.now.timestamp())
        token = {"access_token": "a", "refresh_token": "r", "expires_at": created + 1800}
        value = json.dumps({"creation_timestamp": created, "token": token})
        self.cloud.secrets.parameters.setdefault(LOGIN, []).append(value)


@pytest.fixture(scope="module", autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory, _market: None) -> Iterator[dict[str, ModuleType]]:
    with deployed(tmp_path_factory.mktemp("archives"), TradingCalendar.load(), TODAY) as found:
        yield found


@pytest.fixture
def live(modules: dict[str, ModuleType]) -> Iterator[Live]:
    """Makes a world that begins at a moment of New York's, with hosts that sleep and a login of that day."""
    rendered, calendar = render(harvester_market="us", aws_watch_rows_tickers=["QQQ"]), TradingCalendar.load()

    def begin(moment: str) -> UsWorld:
        world: Any = stack.enter_context(living(rendered, modules, calendar, ist(moment), UsWorld))
        world.push_token()
        return world

    with ExitStack() as stack:
        yield begin


def done(world: World) -> list[str]:
    """What was started and stopped of the first host."""
    return [line.removesuffix(f" {HOST}") for line in world.cloud.done if line.endswith(HOST)]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        pytest.param(
            "2026-10-30T21:00",
            "2026-11-03T00:00",
            ["2026-11-01 02:50 start", "2026-11-01 05:02 stop", "2026-11-02 09:20 start", "2026-11-02 16:27 stop"],
            id="a Sunday of 25 hours, and its Monday",
        ),
        pytest.param(
            "2027-03-12T21:00",
            "2027-03-16T00:00",
            ["2027-03-14 03:00 start", "2027-03-14 05:02 stop", "2027-03-15 09:20 start", "2027-03-15 16:27 stop"],
            id="a Sunday of 23 hours, and its Monday",
        ),
        pytest.param(
            "2026-11-25T21:00",
            "2026-11-28T12:00",
            ["2026-11-27 09:20 start", "2026-11-27 13:27 stop"],
            id="Thanksgiving, and the half day after it",
        ),
    ],
)
def test_hosts_run_for_sessions_and_sundays_and_nobody_is_told(
    live: Live, begin: str, end: str, expected: list[str]
) -> None:
    world = live(begin)
    world.run(ist(end))

    assert done(world) == expected
    assert (world.cloud.told, world.failures) == ([], [])


def test_a_deaf_host_is_told_on_the_monday_after_the_clock_was_set(live: Live) -> None:
    world = live("2026-11-01T12:00")
    world.run(ist("2026-11-02T09:30"))
    world.hosts[0].deaf = True
    world.run(ist("2026-11-02T10:00"))

    assert [line for line in world.cloud.told if "ALARM" in line] == [f"2026-11-02 09:35 ALARM idle-{HOST}"]


def test_the_end_of_the_login_is_told_in_new_yorks_time_and_a_session_without_it_is(live: Live) -> None:
    world = live("2026-11-20T21:00")
    world.forgotten = {f"2026-11-{day}" for day in range(27, 31)}
    world.run(ist("2026-11-30T10:00"))

    told = [line.replace(f"{NAMES.stem}: ", "") for line in world.cloud.told]
    assert told == [
        "2026-11-24 21:00 The login ends within 3 days",
        "2026-11-26 21:00 The login ends within 1 day",
        "2026-11-27 08:30 Log in today: the login covers no session after this one",
        "2026-11-30 08:30 Log in for today's session",
        "2026-11-30 09:00 Still no login for today",
        "2026-11-30 09:20 The session opens in minutes, without a token",
        f"2026-11-30 09:35 ALARM idle-{NAMES.host(1)}",
        f"2026-11-30 09:35 ALARM idle-{NAMES.host(2)}",
        "2026-11-30 09:35 Nothing is recorded: no valid token",
    ]
