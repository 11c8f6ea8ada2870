"""Access: what may be sent, and what a broker that says no teaches it."""

from datetime import UTC, datetime

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.brokers.access import Access
from harvester.brokers.protocol import PollResult
from harvester.config.limits import RequestLimits
from harvester.ledger.outage import Cause, Outage
from harvester.tokens.handover import Token

SECOND = NS_PER_SECOND
WALL = int(datetime(2026, 8, 5, 4, 30, tzinfo=UTC).timestamp()) * SECOND
TOKEN = Token(Secret("a.b.c"), "file:1", WALL + 3600 * SECOND)


def result(mono_ns: int, cause: Cause | None = None, status: int = 200, retry_after: float | None = None) -> PollResult:
    outage = Outage(cause, "detail") if cause else None
    return PollResult("S", 0, WALL, WALL, mono_ns, status, b"", outage, retry_after)


@pytest.fixture
def access() -> Access:
    access = Access(RequestLimits(10, 200, 100_000))
    access.adopt(TOKEN)
    return access


def first_pass(access: Access, *, after_ns: int, until_ns: int) -> int | None:
    """The first whole second after `after_ns` at which a request may be sent."""
    return next((at for at in range(after_ns, until_ns, SECOND) if access.check_request(WALL, at) is None), None)


def test_without_a_token_nothing_may_be_sent() -> None:
    access = Access(RequestLimits(10, 200, 100_000))

    refusal = access.check_request(WALL, 0)

    assert refusal is not None
    assert refusal.cause == "no_token"
    assert access.token_state(WALL) == "missing"


def test_a_refused_token_gets_one_try_a_minute(access: Access) -> None:
    access.note_result(result(0, "token_refused", 401), TOKEN)

    sent = [at for at in range(0, 600 * SECOND, SECOND) if access.check_request(WALL, at) is None]

    assert access.token_state(WALL) == "refused"
    assert len(sent) in (9, 10)


def test_a_broker_that_refuses_and_says_at_once_is_not_asked_every_second(access: Access) -> None:
    sent, at = [], 0
    while at < 60 * SECOND:
        if access.check_request(WALL, at) is None:
            sent.append(at)
            access.note_result(result(at, "rate_limited", 429, 0), TOKEN)
        at += SECOND

    assert len(sent) <= 13
    assert sent[1] <= 2 * SECOND, "the first time it is believed"


def test_what_is_refused_to_one_poll_stops_no_other(access: Access) -> None:
    access.note_result(result(0, "refused", 403), TOKEN)

    assert access.token_state(WALL) == "ok"
    assert first_pass(access, after_ns=0, until_ns=600 * SECOND) == 0


def test_a_new_token_is_used_at_once(access: Access) -> None:
    access.note_result(result(0, "token_refused", 401), TOKEN)

    access.adopt(TOKEN._replace(version="file:2"))

    assert access.check_request(WALL, SECOND) is None


def test_a_late_refusal_of_the_old_token_does_not_touch_the_new_one(access: Access) -> None:
    newer = TOKEN._replace(version="file:2")
    access.adopt(newer)

    access.note_result(result(0, "token_refused", 401), TOKEN)

    assert access.token_state(WALL) == "ok"


def test_a_token_that_works_again_is_no_longer_refused(access: Access) -> None:
    access.note_result(result(0, "token_refused", 401), TOKEN)

    access.note_result(result(60 * SECOND), TOKEN)

    assert access.token_state(WALL) == "ok"


def test_an_expired_token_is_still_tried_once_a_minute_for_our_clock_may_be_wrong(access: Access) -> None:
    late = WALL + 7200 * SECOND

    sent = [at for at in range(0, 300 * SECOND, SECOND) if access.check_request(late, at) is None]

    assert access.token_state(late) == "expired"
    assert len(sent) == 5


def test_an_expired_token_means_that_nobody_logged_in_whatever_the_broker_says_to_it(access: Access) -> None:
    late = WALL + 7200 * SECOND
    access.check_request(late, 0)

    told = access.note_result(result(SECOND, "token_refused", 401)._replace(wall_ns=late), TOKEN)
    refusal = access.check_request(late, 2 * SECOND)

    assert told.outage is not None and told.outage.cause == "no_token"
    assert refusal is not None and refusal.cause == "no_token"
    assert access.token_state(late) == "expired"


def test_retry_after_is_obeyed(access: Access) -> None:
    access.note_result(result(0, "rate_limited", 429, retry_after=30), TOKEN)

    resumed = first_pass(access, after_ns=0, until_ns=600 * SECOND)

    assert resumed is not None
    assert 30 * SECOND <= resumed <= 31 * SECOND


def test_without_retry_after_the_pauses_double_up_to_five_minutes(access: Access) -> None:
    now, pauses = 0, []
    for _ in range(10):
        access.note_result(result(now, "rate_limited", 429), TOKEN)
        resumed = first_pass(access, after_ns=now, until_ns=now + 600 * SECOND)
        assert resumed is not None
        pauses.append((resumed - now) / SECOND)
        now = resumed

    assert 3 <= pauses[0] <= 8
    assert pauses[3] > 2 * pauses[0]
    assert 225 <= pauses[-1] <= 376


def test_five_answers_of_one_slot_count_once(access: Access) -> None:
    for _ in range(5):
        access.note_result(result(0, "rate_limited", 429), TOKEN)

    resumed = first_pass(access, after_ns=0, until_ns=600 * SECOND)
    assert resumed is not None
    assert resumed <= 8 * SECOND


@pytest.mark.parametrize(
    ("limits", "span_seconds"),
    [
        (RequestLimits(10, 10_000, 10**6), 1),
        (RequestLimits(10_000, 200, 10**6), 60),
        (RequestLimits(10_000, 10_000, 500), 600),
    ],
)
def test_no_limit_is_ever_broken_however_fast_it_is_asked(limits: RequestLimits, span_seconds: int) -> None:
    access = Access(limits)
    access.adopt(TOKEN)

    sent = [at for at in range(0, 120 * SECOND, SECOND // 20) if access.check_request(WALL, at) is None]

    allowed = min(limits)
    assert all(
        sum(1 for other in sent if at <= other < at + span_seconds * SECOND) <= allowed
        for at in sent[:: len(sent) // 50]
    )


def test_the_days_limit_begins_anew_at_midnight_in_india_not_with_the_hours_since_boot() -> None:
    access = Access(RequestLimits(10_000, 10_000, 3))
    access.adopt(TOKEN._replace(expires_at_ns=WALL + 86_400 * SECOND))
    midnight = WALL + 14 * 3600 * SECOND  # WALL is 10:00 in India
    boot = 86_400 * SECOND  # a day of the monotonic clock ends here

    def sent(wall_ns: int) -> int:
        mono_ns = boot - 3600 * SECOND + wall_ns - WALL
        return sum(access.check_request(wall_ns + n, mono_ns + n) is None for n in range(0, 100 * SECOND, 10 * SECOND))

    assert [sent(at) for at in (WALL, WALL + 3600 * SECOND, midnight - 200 * SECOND, midnight)] == [3, 0, 0, 3]


def test_a_request_of_a_connection_asks_the_limits_alone(access: Access) -> None:
    late = WALL + 7200 * SECOND
    assert access.check_connection(late, 0) is None, "an expired token is tried"
    assert access.check_limits(late, 0) is None, "and what the try needs is asked"

    access.note_result(result(0, "rate_limited", 429, retry_after=30), TOKEN)
    refusal = access.check_limits(late, SECOND)
    assert refusal is not None and refusal.cause == "rate_limited"


def refuse_until(access: Access, seconds: int) -> int:
    """Answer every request with 429 for so long; the monotonic ns of the first moment at which it counts as blocked."""
    for at in range(0, seconds * SECOND, SECOND):
        if access.check_request(WALL + at, at) is None:
            access.note_result(result(at, "rate_limited", 429)._replace(wall_ns=WALL + at), TOKEN)
        if access.blocked_until(WALL + at):
            return at
    return -1


MIDNIGHT = int(datetime(2026, 8, 5, 18, 30, tzinfo=UTC).timestamp()) * SECOND


def test_refusals_that_outlast_a_minute_without_a_request_mean_blocked_for_the_day(access: Access) -> None:
    found = refuse_until(access, 600)

    assert 60 * SECOND < found < 300 * SECOND
    assert access.blocked_until(WALL + found) == MIDNIGHT
    outage = access.check_request(WALL + found + SECOND, found + SECOND)
    assert outage and outage.cause == "blocked"
    assert "2026-08-06 00:00" in outage.detail


def test_a_broker_that_says_to_come_back_in_hours_has_blocked_the_account(access: Access) -> None:
    access.note_result(result(0, "rate_limited", 429, retry_after=8 * 3600.0), TOKEN)

    assert access.blocked_until(WALL) == WALL + 8 * 3600 * SECOND


def test_while_blocked_it_is_asked_now_and_then_and_an_answer_ends_it(access: Access) -> None:
    found = refuse_until(access, 600)

    again = first_pass(access, after_ns=found + SECOND, until_ns=found + 600 * SECOND)
    assert again is not None
    access.note_result(result(again), TOKEN)

    assert access.blocked_until(WALL + again) is None
    assert access.check_request(WALL, again + SECOND) is None


def test_a_block_ends_at_midnight(access: Access) -> None:
    refuse_until(access, 600)

    assert access.blocked_until(MIDNIGHT) is None


def test_a_minute_that_is_used_up_is_no_block(access: Access) -> None:
    access.note_result(result(0, "rate_limited", 429, retry_after=60.0), TOKEN)
    again = first_pass(access, after_ns=SECOND, until_ns=120 * SECOND)
    assert again
    access.note_result(result(again), TOKEN)
    access.note_result(result(again + 30 * SECOND, "rate_limited", 429), TOKEN)

    assert access.blocked_until(WALL) is None


def test_a_new_token_is_tried_at_once_even_where_our_clock_says_that_it_has_expired(access: Access) -> None:
    late = WALL + 7200 * SECOND
    assert access.check_connection(late, 0) is None, "the old one was tried just now"

    access.adopt(TOKEN._replace(version="file:2"))

    assert access.check_connection(late, SECOND) is None


def test_a_late_success_of_the_old_token_does_not_clear_the_new_one(access: Access) -> None:
    newer = TOKEN._replace(version="file:2")
    access.adopt(newer)
    access.note_result(result(0, "token_refused", 401), newer)

    access.note_result(result(SECOND), TOKEN)

    assert access.token_state(WALL) == "refused"


@pytest.mark.parametrize("cause", ["disconnect", "timeout", "server_error"])
def test_a_token_that_the_broker_could_not_be_asked_about_is_unproven_until_an_answer(
    access: Access, cause: Cause
) -> None:
    token = access.token
    assert token and access.unproven == "", "it was not asked yet"
    access.note_result(result(0, cause), token)
    assert access.unproven.startswith(f"{cause}: ")
    access.note_result(result(1), token)
    assert access.unproven == ""
    access.note_result(result(2, cause), token)
    assert access.unproven == "", "it was proven before"
    access.adopt(token)
    access.note_result(result(3, "rate_limited"), token)
    assert access.unproven == "", "an answer of another kind"
    access.note_result(result(4, cause), Token(Secret("old"), "file:0", 0))
    assert access.unproven == "", "of another token"


@pytest.mark.parametrize("before", [None, "timeout", "token_refused"], ids=["proven", "unproven", "refused"])
def test_what_was_said_of_the_token_before_says_nothing_of_a_new_one(access: Access, before: Cause | None) -> None:
    access.note_result(result(0, before, 401 if before == "token_refused" else 200), TOKEN)
    assert access.check_connection(WALL, SECOND) is None or before == "token_refused"
    newer = TOKEN._replace(version="file:2")

    access.adopt(newer)

    assert (access.unproven, access.token_state(WALL), access.check_connection(WALL, SECOND)) == ("", "ok", None)
    access.note_result(result(SECOND, "disconnect"), newer)
    assert access.unproven == "disconnect: detail", "nobody was asked about this one yet"
