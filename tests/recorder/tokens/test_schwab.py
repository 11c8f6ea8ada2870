"""Schwab's login by its parts: what is sent, how long each token lasts, and what each refusal means."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.recorder.tokens.conftest import API_URL, Broker

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret, redact
from harvester.tokens import schwab
from harvester.tokens.expiry import Opaque
from harvester.tokens.login import App, LoginError
from harvester.tokens.refresh import RefreshError
from harvester.tokens.web import BrokerUnreachableError

APP = App("app-key", Secret("schwab-secret"), "https://127.0.0.1:8182/")
PATH = "/v1/oauth/token"
NOW_NS = 1_795_000_000 * NS_PER_SECOND
WEEK_NS = 7 * 86_400 * NS_PER_SECOND
HALF_HOUR_NS = 1_800 * NS_PER_SECOND
PAIR = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 1200}
HELD = Opaque(Secret("refresh-0"), NOW_NS + 5)
AGAIN = "Log in again: ./inv token-push --broker schwab."
BASIC = {"Authorization": f"Basic {base64.b64encode(b'app-key:schwab-secret').decode()}"}


def exchange(broker: Broker) -> schwab.SchwabTokens:
    return schwab.exchange_code(APP, Secret("the-code"), wall_ns=NOW_NS, api_url=API_URL)


def renew(broker: Broker, wall_ns: int = NOW_NS) -> schwab.SchwabTokens:
    return schwab.renew(APP, HELD, wall_ns=wall_ns, api_url=API_URL)


def test_the_browsers_address_is_schwabs() -> None:
    begun = schwab.begin_login(APP, state="st")
    parts = urlsplit(begun.url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://api.schwabapi.com/v1/oauth/authorize"
    assert parse_qs(parts.query) == {
        "response_type": ["code"],
        "client_id": ["app-key"],
        "redirect_uri": [APP.redirect_uri],
        "state": ["st"],
    }
    assert begun.state == "st"
    assert schwab.begin_login(APP, API_URL).url.startswith(f"{API_URL}/v1/oauth/authorize?")
    states = {schwab.begin_login(APP).state for _ in range(2)}
    assert {len(state) for state in states} == {32} and len(states) == 2


def test_a_code_becomes_a_pair_and_the_refresh_token_lasts_a_week(broker: Broker) -> None:
    broker.will(PATH, PAIR)
    assert exchange(broker) == (
        Opaque(Secret("access-1"), NOW_NS + 1200 * NS_PER_SECOND),
        Opaque(Secret("refresh-1"), NOW_NS + WEEK_NS),
    )
    form = {"grant_type": "authorization_code", "code": "the-code", "redirect_uri": APP.redirect_uri}
    assert broker.asked == [("POST", PATH, {"form": form, "headers": BASIC})]
    secrets = "the-code schwab-secret access-1 refresh-1"
    assert redact(f"{secrets} {BASIC['Authorization'].split()[1]}") == " ".join(["[redacted]"] * 5)


def test_a_renewal_keeps_the_end_of_the_week(broker: Broker) -> None:
    broker.will(PATH, PAIR | {"refresh_token": "refresh-2"})
    assert renew(broker).refresh == Opaque(Secret("refresh-2"), HELD.expires_at_ns)
    form = {"grant_type": "refresh_token", "refresh_token": "refresh-0"}
    assert broker.asked == [("POST", PATH, {"form": form, "headers": BASIC})]
    assert redact("refresh-0") == "[redacted]"


@pytest.mark.parametrize(
    ("lasts", "seconds"),
    [(1, 1), (604_800, 604_800), (604_801, 1_800), (0, 1_800), (-1, 1_800), ("60", 1_800), (None, 1_800)],
)
def test_how_long_an_access_token_lasts_is_schwabs_word_within_reason(
    broker: Broker, lasts: object, seconds: int
) -> None:
    broker.will(PATH, PAIR | {"expires_in": lasts})
    assert exchange(broker).access.expires_at_ns == NOW_NS + seconds * NS_PER_SECOND


@pytest.mark.parametrize("without", ["access_token", "refresh_token"])
def test_an_answer_without_one_of_the_pair_is_no_login(broker: Broker, without: str) -> None:
    broker.will(PATH, PAIR | {without: ""}, {name: value for name, value in PAIR.items() if name != without})
    for _ in range(2):
        with pytest.raises(LoginError) as caught:
            exchange(broker)
        assert str(caught.value) == f"Schwab answered without tokens. {AGAIN}"


def test_after_its_week_a_token_is_not_sent(broker: Broker) -> None:
    for wall_ns in (NOW_NS + 5, NOW_NS + 6, NOW_NS + WEEK_NS):
        with pytest.raises(RefreshError) as caught:
            renew(broker, wall_ns)
        assert (caught.value.kind, str(caught.value)) == ("refused", f"The refresh token's 7 days are over. {AGAIN}")
    assert broker.asked == []
    broker.will(PATH, PAIR)
    assert renew(broker, NOW_NS + 4).refresh.expires_at_ns == NOW_NS + 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "e", "error_description": "d\nd"}, "d d"),
        ({"error": "e"}, "e"),
        ({"error_description": ""}, "no message"),
    ],
)
def test_a_refusal_says_what_schwab_said(broker: Broker, body: dict[str, object], words: str) -> None:
    broker.will(PATH, body, status=400)
    with pytest.raises(LoginError) as refused:
        exchange(broker)
    assert str(refused.value) == f"Schwab refuses the code of this login (HTTP 400, {words}). {AGAIN}"
    for status in (400, 401):
        broker.will(PATH, body, status=status)
        with pytest.raises(RefreshError) as caught:
            renew(broker)
        said = f"Schwab does not accept the refresh token (HTTP {status}, {words}). {AGAIN}"
        assert (caught.value.kind, str(caught.value)) == ("refused", said)
    for status in (201, 403, 429, 500):
        broker.will(PATH, body, status=status)
        with pytest.raises(RefreshError) as caught:
            renew(broker)
        said = f"Schwab has no time to renew the token (HTTP {status}, {words})."
        assert (caught.value.kind, str(caught.value)) == ("later", said)


def test_a_schwab_out_of_reach_may_be_asked_again(broker: Broker) -> None:
    broker.will(PATH, *[BrokerUnreachableError("It could not be reached.")] * 2)
    with pytest.raises(LoginError) as refused:
        exchange(broker)
    assert str(refused.value) == f"While exchanging the code: It could not be reached. {AGAIN}"
    with pytest.raises(RefreshError) as caught:
        renew(broker)
    assert (caught.value.kind, str(caught.value)) == ("later", "It could not be reached.")
