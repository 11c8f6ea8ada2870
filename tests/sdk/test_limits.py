"""The documented request limits and what breaking them costs."""

import pytest
from tests.journals import HandClock

from exchange.limits import MINUTE_BREACHES, PER_DAY, PER_MINUTE, PER_SECOND, RateLimits
from harvester.base.clock import NS_PER_SECOND

NOON = 1_795_156_200 * NS_PER_SECOND  # 2026-11-20 12:00:00 in India


class SecondsClock(HandClock):
    def second(self, number=1):
        self.now_ns += number * NS_PER_SECOND


@pytest.fixture
def clock():
    return SecondsClock(NOON)


@pytest.fixture
def limits(clock):
    return RateLimits(clock, enabled=True)


def burn_minute(limits, clock, requests):
    """So many requests within one minute, never too many in a second; how many were refused."""
    refused = 0
    for start in range(0, requests, PER_SECOND):
        refused += sum(limits.take("app") is not None for _ in range(min(PER_SECOND, requests - start)))
        clock.second()
    clock.now_ns += 60 * NS_PER_SECOND - clock.now_ns % (60 * NS_PER_SECOND)
    return refused


def test_ten_a_second_pass_and_the_eleventh_waits_for_the_next(limits, clock):
    assert [limits.take("app") for _ in range(PER_SECOND)] == [None] * PER_SECOND
    assert limits.take("app") == pytest.approx(1)
    clock.second()
    assert limits.take("app") is None


def test_apps_are_counted_apart(limits):
    for _ in range(PER_SECOND):
        limits.take("app")
    assert limits.take("other") is None


def test_two_hundred_a_minute_pass_and_the_next_waits_for_the_minute(limits, clock):
    assert burn_minute(limits, clock, PER_MINUTE) == 0
    assert burn_minute(limits, clock, PER_MINUTE + 5) == 5
    assert limits.take("app") is None


def test_more_than_three_breached_minutes_block_the_day(limits, clock):
    for _ in range(MINUTE_BREACHES):
        burn_minute(limits, clock, PER_MINUTE + 1)
    assert limits.take("app") is None
    burn_minute(limits, clock, PER_MINUTE + 1)
    wait = limits.take("app")
    assert wait == pytest.approx(12 * 3600 - 4 * 60)
    clock.now_ns += int(wait * NS_PER_SECOND)
    assert limits.take("app") is None


def test_a_hundred_thousand_a_day(limits, clock):
    taken = 0
    while taken < PER_DAY:
        taken += PER_SECOND
        assert [limits.take("app") for _ in range(PER_SECOND)] == [None] * PER_SECOND
        clock.second(4)  # 150 a minute
        if clock.now_ns > NOON + 12 * 3600 * NS_PER_SECOND:
            pytest.fail("the day is too short for this test")
    assert limits.take("app") > 0


def test_switched_off_nothing_is_counted(clock):
    off = RateLimits(clock, enabled=False)
    assert all(off.take("app") is None for _ in range(1000))


def test_over_the_limit_the_sdk_sees_429(start):
    server = start(rate_limits=True)
    sdk = server.sdk()
    answers = [sdk.depth({"symbol": "NSE:SBIN-EQ", "ohlcv_flag": 1}) for _ in range(3 * PER_SECOND)]
    refused = [answer for answer in answers if answer["s"] == "error"]
    assert refused and {answer["code"] for answer in refused} == {-429}


def test_only_account_calls_say_how_long_to_wait(start):
    server = start(rate_limits=True)
    server.world.limits.take = lambda app: 2.5
    with server.client() as client:
        data = server.depth(client)
        account = client.get("https://api-t1.fyers.in/api/v3/profile", headers=server.headers())
    assert data.status_code == account.status_code == 429
    assert "Retry-After" not in data.headers
    assert account.headers["Retry-After"] == "3" and account.headers["X-Retry-After-Ms"] == "2501"
