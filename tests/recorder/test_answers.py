"""What the broker's answers mean where several things are said at once, in any zone, and of every field."""

import json
import time
from collections.abc import Iterator

import pytest
from tests.recorder.fakes import SYMBOLS

from harvester.brokers.fyers.responses import judge_depth, judge_look_up, judge_profile, read_socket_url
from harvester.brokers.rest import read_date

STATUSES = (200, 204, 302, 400, 401, 403, 404, 422, 429, 499, 500, 502, 503, 599)
CODES = (None, 200, -1, -8, -15, -16, -17, -50, -99, -300, -429, 429)
RANKED = (
    ("rate_limited", {429}, {-429, 429}),
    ("token_refused", set(), {-8, -15, -16, -17}),
    ("not_listed", set(), {-300}),
    ("refused", {401, 403}, set()),
    ("server_error", {500, 502, 503, 599}, set()),
    ("bad_response", set(STATUSES) - {200}, set()),
)
"""Of the causes that an answer names by its status and by its code, the first one counts."""


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", STATUSES)
def test_of_two_causes_in_one_answer_the_more_specific_one_counts(status: int, code: int | None) -> None:
    body = json.dumps({"s": "error", "code": code, "message": "no"}).encode()
    expected = next((cause for cause, statuses, codes in RANKED if status in statuses or code in codes), None)

    said = judge_look_up(status, body), judge_depth(status, body, SYMBOLS[0]), judge_profile(status, body)

    assert [each and each.cause for each in said] == [expected or "bad_response"] * 3


@pytest.mark.parametrize("code", [True, -16.5, "-16", "", [], {"code": -16}])
def test_what_is_no_code_says_nothing_of_a_token(code: object) -> None:
    outage = judge_profile(401, json.dumps({"s": "error", "code": code, "message": "no"}).encode())

    assert (outage and outage.cause, outage and outage.detail) == ("refused", "HTTP 401")


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 05 Aug 2026 04:30:00 GMT",
        "Wed, 05 Aug 2026 04:30:00 -0000",
        "Wed, 05 Aug 2026 10:00:00 +0530",
        "Wednesday, 05-Aug-26 04:30:00 GMT",
    ],
)
def test_a_date_is_the_same_moment_in_whatever_zone_the_host_is(zone: str, text: str) -> None:
    assert read_date(text) == 1_785_904_200 * 10**9


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("wss://rtsocket-api.fyers.in/versova", True),
        ("wss://rtsocket-api.fyers.in:443/versova?v=1", True),
        ("ws://rtsocket-api.fyers.in/versova", False),
        ("https://rtsocket-api.fyers.in/versova", False),
        ("wss://user@rtsocket-api.fyers.in/versova", False),
        ("wss://rtsocket-api.fyers.in/versova\r\nX: y", False),
        ("wss://rtsocket-api.fyers.in/versova\n", False),
        ("", False),
        (7, False),
    ],
)
def test_the_token_goes_to_a_secure_address_alone(url: object, is_taken: bool) -> None:
    body = json.dumps({"s": "ok", "data": {"socket_url": url}}).encode()

    assert read_socket_url(body) == (url if is_taken else None)
