"""How long a connection waits before it is tried again, by why the last one ended."""

from typing import get_args

import pytest

from harvester.ledger.outage import Cause
from harvester.net.backoff import Backoff

ANSWERS = {"refused", "not_listed", "rate_limited", "blocked", "mute", "no_snapshot"}
"""The server is there and does not deliver."""


@pytest.mark.parametrize("cause", get_args(Cause))
def test_pauses_double_up_to_a_limit_that_is_longer_where_the_server_answers(cause: Cause) -> None:
    backoff = Backoff()
    first = backoff.fail(cause)
    pauses = [backoff.fail(cause) for _ in range(20)]

    slow_start = 4.0 if cause in ("refused", "rate_limited") else 0.5
    limit = 60.0 if cause in ANSWERS else 30.0
    assert slow_start / 2 <= first <= slow_start
    assert limit / 2 <= min(pauses[-10:]) and limit / 2 < max(pauses[-10:]) <= limit
    assert len(set(pauses[-10:])) > 1, "hosts must not come back together"


def test_a_connection_that_delivered_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(10):
        backoff.fail("refused")

    backoff.succeed()

    assert backoff.fail("disconnect") <= 0.5
