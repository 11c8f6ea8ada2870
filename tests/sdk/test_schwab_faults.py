"""Schwab's streamer on a bad day: refused and taken logins, silence, minutes that come late, twice or never."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tests.sdk.conftest import Running
from tests.sdk.test_schwab import Streamer, connected, go_to, us

from exchange.faults import parse_faults

__all__ = ["us"]
Story = Callable[[Streamer], Awaitable[object]]
FIELDS = "0,1,2,3,4,5,6,7,8"


def arm(server: Running, action: str, **more: int) -> None:
    server.world.faults.arm(parse_faults(json.dumps({"action": action, **more}), "the test"))


def tell(server: Running, story: Story) -> object:
    async def run() -> object:
        async with connected(server) as streamer:
            return await story(streamer)

    return asyncio.run(run())


async def minute(streamer: Streamer) -> int:
    """The next streamed minute of QQQ: its begin, in seconds since 1970."""
    while "data" not in (message := await streamer.next()):
        pass
    [row] = message["data"][0]["content"]
    return int(str(row["7"])) // 1000


def test_a_login_is_refused_as_often_as_the_script_says(us: Running) -> None:
    arm(us, "refuse_auth", count=2)

    async def story(streamer: Streamer) -> object:
        return [(await streamer.login())["code"] for _ in range(3)]

    assert tell(us, story) == [3, 3, 0]


@pytest.mark.parametrize(("action", "code"), [("take_over", 12), ("log_out", 30)])
def test_a_login_ends_with_a_word_and_the_next_one_is_taken(us: Running, action: str, code: int) -> None:
    async def story(streamer: Streamer) -> object:
        await streamer.login()
        arm(us, action)
        told = (await streamer.next())["response"][0]["content"]
        with pytest.raises(TypeError):
            await streamer.next()
        async with connected(us) as again:
            return [told["code"], (await again.login())["code"], (await again.ask("CHART_EQUITY", "VIEW"))["code"]]

    assert tell(us, story) == [code, 0, 0], "and the fault is over with its one time"


def test_who_is_not_logged_in_cannot_be_logged_out(us: Running) -> None:
    arm(us, "log_out")

    async def story(streamer: Streamer) -> object:
        before = await streamer.ask("CHART_EQUITY", "VIEW")
        await streamer.login()
        told = (await streamer.next())["response"][0]["content"]
        return [before["code"], told["code"]]

    assert tell(us, story) == [20, 30]


def test_a_minute_comes_twice(us: Running) -> None:
    arm(us, "duplicate")
    go_to(us, "2026-11-02T12:00:58")

    async def story(streamer: Streamer) -> object:
        await streamer.login()
        await streamer.ask("CHART_EQUITY", "SUBS", keys="QQQ", fields=FIELDS)
        first, second = await minute(streamer), await minute(streamer)
        go_to(us, "2026-11-02T12:01:59.5")
        return [second - first, await minute(streamer) - first]

    assert tell(us, story) == [0, 60]


def test_a_minute_comes_after_the_next_one(us: Running) -> None:
    arm(us, "reorder")
    go_to(us, "2026-11-02T12:00:58")

    async def story(streamer: Streamer) -> object:
        await streamer.login()
        await streamer.ask("CHART_EQUITY", "SUBS", keys="QQQ", fields=FIELDS)
        while not us.world.faults.armed[0].used:
            await asyncio.sleep(0.05)  # the first minute is held back by now
        go_to(us, "2026-11-02T12:01:59.5")
        late = await minute(streamer)
        return await minute(streamer) - late

    assert tell(us, story) == -60


def test_in_a_silence_there_is_no_heartbeat_and_no_answer_and_after_it_there_is(us: Running) -> None:
    async def story(streamer: Streamer) -> object:
        await streamer.login()
        arm(us, "mute")
        while not us.world.sockets.describe()[-1]["dropped"]:
            await asyncio.sleep(0.05)  # until a heartbeat was withheld
        us.world.faults.clear()
        message = await streamer.next()
        return [*message]

    assert tell(us, story) == ["notify"]
