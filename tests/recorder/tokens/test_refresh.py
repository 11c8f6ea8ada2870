"""The refresh without a person: what is sent, what each answer means, and what is remembered from day to day."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import APP_ID, make_token
from tests.recorder.tokens.conftest import API_URL, APP, Broker

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret, redact
from harvester.tokens import renewal
from harvester.tokens.claims import TokenError
from harvester.tokens.refresh import RefreshError, days_left, refresh
from harvester.tokens.renewal import RenewalOutcome, Stores, forget, remembered
from harvester.tokens.stores import FileStore, file_version
from harvester.tokens.web import BrokerUnreachableError

PATH, PROFILE = "/api/v3/validate-refresh-token", "/api/v3/profile"
DAY_NS = 86_400 * NS_PER_SECOND
NOW_NS = 1_795_000_000 * NS_PER_SECOND
ACCESS = make_token(time.time() + 36_000)
REFRESH = Secret(make_token(1_795_000_000 + 10 * 86_400, sub="refresh_token"))
PIN = Secret("4829")
GOOD = {"s": "ok", "access_token": ACCESS}
OWNER = {"s": "ok", "data": {"fy_id": "XX00000"}}
HASH = hashlib.sha256(b"ABCDE12345-100:app-secret-hunter2").hexdigest()


def error(code: int, message: str = "") -> dict[str, object]:
    return {"s": "error", "code": code, "message": message}


def attempt(broker: Broker, body: dict[str, Any], status: int = 200) -> RefreshError:
    broker.will(PATH, body, status=status)
    with pytest.raises(RefreshError) as caught:
        refresh(APP, REFRESH, PIN, api_url=API_URL, wall_ns=NOW_NS)
    return caught.value


def test_refresh_token_and_pin_are_sent_and_an_access_token_comes(broker: Broker) -> None:
    broker.will(PATH, GOOD)
    assert refresh(APP, REFRESH, PIN, api_url=API_URL, wall_ns=NOW_NS) == (Secret(ACCESS), 10)
    body = {
        "grant_type": "refresh_token",
        "appIdHash": HASH,
        "refresh_token": REFRESH.get_secret_value(),
        "pin": "4829",
    }
    assert broker.asked == [("POST", PATH, {"json_body": body})]
    assert redact(f"{REFRESH.get_secret_value()} app-secret-hunter2") == "[redacted] [redacted]"


def test_days_are_whole_ones_and_an_ended_token_is_not_sent(broker: Broker) -> None:
    assert [days_left(REFRESH, NOW_NS + ns) for ns in (0, 1, DAY_NS, 10 * DAY_NS, 10 * DAY_NS + 1)] == [10, 9, 9, 0, -1]
    with pytest.raises(RefreshError) as caught:
        refresh(APP, REFRESH, PIN, api_url=API_URL, wall_ns=NOW_NS + 10 * DAY_NS + 1)
    assert caught.value.kind == "refused"
    assert str(caught.value) == "The refresh token has expired. Log in: ./inv token-push stores a new one."
    assert broker.asked == []
    broker.will(PATH, GOOD)
    assert refresh(APP, REFRESH, PIN, api_url=API_URL, wall_ns=NOW_NS + 10 * DAY_NS).days_left == 0


def test_a_token_of_another_kind_is_no_refresh_token() -> None:
    with pytest.raises(TokenError) as caught:
        days_left(Secret(make_token(5, sub="y" * 50)), 0)
    assert str(caught.value) == f"This is no refresh token (its claim sub is {'y' * 40!r}). Log in again."


def test_a_broker_out_of_reach_is_asked_later(broker: Broker) -> None:
    broker.will(PATH, BrokerUnreachableError("It could not be reached."))
    with pytest.raises(RefreshError) as caught:
        refresh(APP, REFRESH, PIN, api_url=API_URL, wall_ns=NOW_NS)
    assert (caught.value.kind, str(caught.value)) == (
        "later",
        "It could not be reached. The token that is in use goes on.",
    )


GONE = "The broker does not refresh tokens for this account any more {}. Log in."
BUSY = "The broker has no time to refresh the token {}."
WRONG_PIN = "The broker refuses the PIN {}. Store the right one: ./inv secret-put --name pin."
DEAD = "The broker does not accept the refresh token {}. Log in."
OTHER = "The broker refuses to refresh the token {}. Log in."


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "said"),
    [
        *((status, 1, "m", "gone", GONE) for status in (404, 405, 410, 501)),
        (400, -501, "m", "gone", GONE),
        *(
            (401, -16, f"it is {word} now", "gone", GONE)
            for word in ("DISABLED", "discontinued", "no longer", "not supported", "Regulation", "SEBI")
        ),
        (429, 1, "m", "later", BUSY),
        (500, 1, "m", "later", BUSY),
        (502, -8, "m", "later", BUSY),
        (400, -429, "m", "later", BUSY),
        (499, 1, "m", "refused", OTHER),
        (400, 1, "a valid Pin please", "refused", WRONG_PIN),
        (400, 1, "spinning", "refused", OTHER),
        *((401, code, "m", "refused", DEAD) for code in (-8, -14, -15, -16, -17)),
        (401, -9, "m", "refused", OTHER),
        (200, -9, "m", "refused", OTHER),
    ],
)
def test_each_answer_says_what_follows(
    broker: Broker, status: int, code: int, message: str, kind: str, said: str
) -> None:
    found = attempt(broker, error(code, message), status)
    assert (found.kind, str(found)) == (kind, said.format(f"(HTTP {status}, code {code}, {message})"))


def test_what_the_broker_says_back_is_masked_and_cut_to_one_line(broker: Broker) -> None:
    found = attempt(broker, error(1, f"not 4829,\n but {REFRESH.get_secret_value()} {'z' * 200}"), 400)
    assert f"(HTTP 400, code 1, not [redacted], but [redacted] {'z' * 129})" in str(found)
    assert "(HTTP 400, code 1, no message)" in str(attempt(broker, {"s": "error", "code": 1}, 400))


@pytest.mark.parametrize("body", [{}, {"s": "ok", "code": 1}, {"s": "error", "code": "1"}, {"code": 1}])
@pytest.mark.parametrize(("status", "kind"), [(404, "absent"), (501, "absent"), (500, "later"), (201, "later")])
def test_what_is_not_the_brokers_own_word_ends_nothing(
    broker: Broker, body: dict[str, object], status: int, kind: str
) -> None:
    found = attempt(broker, body, status)
    assert found.kind == kind
    assert str(found) == (
        f"What answers at {PATH} is not the broker (HTTP {status}, code {body.get('code')}, no message): "
        f"a proxy, or the"
        " broker's own site while it is deployed; a wrong broker.api_url has the same effect."
    )


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """All five, with everything that a refresh needs."""
    made = Stores(*(FileStore(tmp_path / name) for name in Stores._fields))
    for store, value in ((made.refresh_token, REFRESH), (made.pin, PIN), (made.app_secret, APP.secret)):
        store.write(value)
    return made


def renew(stores: Stores, at_ns: int = NOW_NS, account: str | None = None) -> RenewalOutcome:
    return renewal.renew(stores, app_id=APP_ID, api_url=API_URL, account=account, wall_ns=at_ns)


def held(stores: Stores) -> Any:
    """What is remembered, as it is stored."""
    stored = stores.state.read()
    return json.loads(stored.value.get_secret_value()) if stored else None


def test_a_renewal_puts_the_token_in_place(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, GOOD)
    broker.will(PROFILE, OWNER)
    version = file_version(Secret(ACCESS))
    assert renew(stores) == RenewalOutcome("renewed", f"{version} is in place; 10 days left to refresh.", False, None)
    stored = stores.access_token.read()
    assert stored is not None and stored.value == Secret(ACCESS)
    assert [path for _, path, _ in broker.asked] == [PATH, PROFILE]
    assert broker.asked[0][2]["json_body"]["appIdHash"] == HASH
    assert broker.asked[1][2]["headers"]["authorization"] == f"{APP_ID}:{ACCESS}"
    assert held(stores) is None, "nothing to remember"


def test_who_calls_often_asks_once_until_the_next_day_or_until_it_is_forgotten(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, GOOD, GOOD, GOOD)
    broker.will(PROFILE, OWNER, OWNER, OWNER)
    minutes, asked = (0, 10, 60 * 11, 60 * 24), []
    for minute in minutes:
        at_ns, rest_ns = NOW_NS + minute * 60 * NS_PER_SECOND, DAY_NS // 2
        done = renewal.renew(stores, app_id=APP_ID, api_url=API_URL, account=None, wall_ns=at_ns, rest_ns=rest_ns)
        assert done.kind == "renewed"
        asked.append(sum(path == PATH for _, path, _ in broker.asked))
    assert asked == [1, 1, 1, 2]
    forget(stores.state)
    assert renew(stores, NOW_NS + DAY_NS).kind == "renewed"
    assert sum(path == PATH for _, path, _ in broker.asked) == 3


@pytest.mark.parametrize("missing", ["refresh_token", "pin", "app_secret"])
def test_without_one_of_the_parts_nothing_is_asked(
    broker: Broker, stores: Stores, tmp_path: Path, missing: str
) -> None:
    (tmp_path / missing).unlink()
    said = f"{tmp_path / missing} does not exist, so tokens are not refreshed."
    assert renew(stores) == RenewalOutcome("not_set_up", said, False)
    assert broker.asked == []


def test_a_token_of_another_account_is_not_put_in_place(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, GOOD, GOOD)
    broker.will(PROFILE, OWNER, OWNER)
    outcome = renew(stores, account="YY1")
    assert (outcome.kind, outcome.new) == ("refused", True) and "XX00000" in outcome.detail
    assert stores.access_token.read() is None
    assert renew(stores, account="xx00000").kind == "renewed"


def test_a_broker_that_is_busy_with_the_proof_is_asked_later(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, GOOD)
    broker.will(PROFILE, {}, status=503)
    outcome = renew(stores)
    assert (outcome.kind, outcome.new) == ("later", True) and "proving" in outcome.detail
    assert (stores.access_token.read(), held(stores)) == (None, None)


def test_a_store_that_fails_is_asked_later(broker: Broker, stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "pin").unlink()
    (tmp_path / "pin").mkdir()
    outcome = renew(stores)
    assert (outcome.kind, outcome.new) == ("later", True)
    assert outcome.detail.startswith(f"{tmp_path / 'pin'}: the file cannot be read")


def test_a_refresh_token_that_is_none_is_refused(broker: Broker, stores: Stores) -> None:
    stores.refresh_token.write(Secret("garbage"))
    outcome = renew(stores)
    assert (outcome.kind, outcome.new) == ("refused", True) and "not an access token" in outcome.detail


@pytest.mark.parametrize("state", ["", "not JSON", "[1]", "7", "null", "{}"])
def test_a_memory_that_is_none_holds_nothing_against_a_try(broker: Broker, stores: Stores, state: str) -> None:
    stores.state.write(Secret(state))
    broker.will(PATH, GOOD)
    broker.will(PROFILE, OWNER)
    assert remembered(stores.state) is None
    assert renew(stores).kind == "renewed"


def test_what_is_gone_is_told_once_and_not_asked_for_again_on_any_day(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, error(-501), status=400)
    first = renew(stores)
    assert (first.kind, first.new, first.days) == ("gone", True, None)
    assert first.detail == GONE.format("(HTTP 400, code -501, no message)")
    assert held(stores) == {"gone": first.detail}
    for days in (0, 1, 30):
        assert renew(stores, NOW_NS + days * DAY_NS) == RenewalOutcome("gone", first.detail, False)
    assert remembered(stores.state) == RenewalOutcome("gone", first.detail, False)
    assert len(broker.asked) == 1
    forget(stores.state)
    assert held(stores) == {} and remembered(stores.state) is None


@pytest.mark.parametrize("changed", ["refresh_token", "pin", "app_secret"])
def test_a_refusal_holds_until_something_that_was_refused_is_another(
    broker: Broker, stores: Stores, changed: str
) -> None:
    broker.will(PATH, error(-8, "m"), status=401)
    first = renew(stores)
    assert (first.kind, first.new) == ("refused", True)
    for days in (0, 1):
        assert renew(stores, NOW_NS + days * DAY_NS) == RenewalOutcome("refused", first.detail, False)
    assert remembered(stores.state) == RenewalOutcome("refused", first.detail, False)
    assert held(stores).keys() == {"refused", "detail"}
    assert len(broker.asked) == 1
    other = make_token(1_795_000_000 + 20 * 86_400, sub="refresh_token") if changed == "refresh_token" else "another1"
    getattr(stores, changed).write(Secret(other))
    broker.will(PATH, GOOD)
    broker.will(PROFILE, OWNER)
    assert renew(stores).kind == "renewed"
    assert held(stores) == {"told": None}
    assert remembered(stores.state) is None


def test_an_outage_is_remembered_by_nobody(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, error(-429), error(-429), status=429)
    assert [(found.kind, found.new) for found in (renew(stores), renew(stores))] == [("later", True)] * 2
    assert held(stores) is None


HALF_NS = 12 * 3_600 * NS_PER_SECOND


@pytest.mark.parametrize(
    ("later_ns", "kind"),
    [(0, "later"), (HALF_NS - 1, "later"), (HALF_NS, "gone"), (3 * DAY_NS, "gone"), (-DAY_NS, "later")],
)
def test_an_address_that_stays_empty_for_half_a_day_is_the_end(
    broker: Broker, stores: Stores, later_ns: int, kind: str
) -> None:
    broker.will(PATH, {}, {}, status=404)
    first = renew(stores)
    assert (first.kind, first.new) == ("later", True)
    assert first.detail.startswith(f"What answers at {PATH} is not the broker (HTTP 404, ")
    assert held(stores) == {"told": None, "absent": NOW_NS, "detail": first.detail}
    assert remembered(stores.state) == RenewalOutcome("absent", first.detail, False)
    second = renew(stores, NOW_NS + later_ns)
    assert (second.kind, second.new) == (kind, True)
    if kind == "later":
        assert held(stores) == {"told": None, "absent": NOW_NS, "detail": first.detail}, "the first time counts"
    else:
        since = "No refresh of the broker is to be found since Wed 18 Nov 16:36 IST. Log in."
        assert second.detail == f"{since} {first.detail}"
        assert held(stores) == {"gone": second.detail}


def test_what_works_again_ends_an_absence_and_the_next_one_begins_anew(broker: Broker, stores: Stores) -> None:
    broker.will(PATH, {}, status=404)
    broker.will(PATH, GOOD)
    broker.will(PATH, {}, status=404)
    broker.will(PROFILE, OWNER)
    assert [renew(stores, NOW_NS + days * DAY_NS).kind for days in range(3)] == ["later", "renewed", "later"]
    assert held(stores)["absent"] == NOW_NS + 2 * DAY_NS


def test_the_last_days_are_announced_once_each_and_anew_for_a_new_token(broker: Broker, stores: Stores) -> None:
    def days(left: int) -> int | None:
        broker.will(PATH, GOOD)
        broker.will(PROFILE, OWNER)
        outcome = renew(stores, NOW_NS + (10 - left) * DAY_NS)
        assert outcome.kind == "renewed" and outcome.detail.endswith(f"; {left} days left to refresh.")
        return outcome.days

    assert [days(left) for left in (4, 3, 3, 2, 1, 1, 0)] == [None, 3, None, None, 1, None, None]
    assert held(stores) == {"told": {"token": file_version(REFRESH), "days": 1}}
    stores.refresh_token.write(Secret(make_token(1_795_000_001 + 10 * 86_400, sub="refresh_token")))
    assert [days(left) for left in (3, 2, 0)] == [3, None, 1]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [({}, 404, "later"), (error(1, "a valid PIN please"), 400, "refused"), (error(-501), 400, "gone")],
)
def test_what_was_announced_survives_whatever_failed_in_between(
    broker: Broker, stores: Stores, body: dict[str, Any], status: int, kind: str
) -> None:
    broker.will(PATH, GOOD)
    broker.will(PROFILE, OWNER, OWNER)
    assert renew(stores, NOW_NS + 7 * DAY_NS).days == 3
    broker.will(PATH, body, status=status)
    assert renew(stores, NOW_NS + 8 * DAY_NS).kind == kind
    stores.pin.write(Secret("another1"))
    if kind == "gone":
        forget(stores.state)
    broker.will(PATH, GOOD)
    assert renew(stores, NOW_NS + 8 * DAY_NS)[::3] == ("renewed", None)
