"""What tokens say about themselves: exact words for each that cannot be used, both edges of each rule."""

import base64
import json

import pytest
from tests.recorder.fakes import make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret, redact
from harvester.tokens.claims import Claims, TokenError, check_token, read_claims, read_hsm_key
from harvester.tokens.expiry import Opaque, expires_at_ns, unwrap, wrap

END = 1_795_000_000
END_NS = END * NS_PER_SECOND
AGAIN = "Log in again and push the new token with ./inv token-push."


def token(**claims: object) -> Secret:
    return Secret(make_token(END, **claims))


def of(payload: object, padding: str = "") -> Secret:
    """A token around any payload."""
    middle = base64.urlsafe_b64encode(json.dumps(payload).encode() + padding.encode()).rstrip(b"=").decode()
    return Secret(f"head.{middle}.c2lnbmF0dXJl")


def refusal(call: object, *given: object) -> str:
    with pytest.raises(TokenError) as caught:
        call(*given)  # type: ignore[operator]
    return str(caught.value)


def test_claims_are_expiry_account_and_subject() -> None:
    assert read_claims(token()) == Claims(END_NS, "XX00000", "access_token")
    assert read_claims(of({"exp": END + 0.9})) == Claims(END_NS, "", "")


@pytest.mark.parametrize("length", range(4))
def test_a_payload_of_any_length_is_read(length: int) -> None:
    assert read_claims(of({"exp": END}, " " * length)).expires_at_ns == END_NS


@pytest.mark.parametrize("expires", [1, 0.5, 99_999_999_999])
def test_an_expiry_within_the_bounds_counts(expires: float) -> None:
    assert read_claims(of({"exp": expires})).expires_at_ns == int(expires) * NS_PER_SECOND


@pytest.mark.parametrize("expires", [True, False, "1", None, 0, -1, 1e11, 1e300])
def test_an_expiry_that_is_none_is_refused(expires: object) -> None:
    assert refusal(read_claims, of({"exp": expires})) == f"The token has no usable expiry (claim exp). {AGAIN}"


def test_the_key_of_the_data_socket_is_read_and_masked() -> None:
    assert read_hsm_key(token(hsm_key="socket-key")) == "socket-key"
    assert redact("a socket-key here") == "a [redacted] here"


@pytest.mark.parametrize("key", [None, "", 7, "ké"])
def test_a_key_that_is_none_is_refused(key: object) -> None:
    said = refusal(read_hsm_key, token(hsm_key=key))
    assert said == f"The token has no usable claim hsm_key, which the data socket asks for. {AGAIN}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"ABC-100:{make_token(END)}",
            "The token has the app ID in front (app_id:token); store the part after the colon alone.",
        ),
        (
            "a.b",
            f"This is not an access token: it must be three parts of letters and digits with dots between, "
            f"and it is 3 characters of something else. {AGAIN}",
        ),
        (
            "a:b.c",
            f"This is not an access token: it must be three parts of letters and digits with dots between, "
            f"and it is 5 characters of something else. {AGAIN}",
        ),
        (
            f"a.{'b' * 8189}.c",
            f"This is not an access token: it must be three parts of letters and digits with dots between, "
            f"and it is 8193 characters of something else. {AGAIN}",
        ),
        (f"a.{'b' * 8188}.c", f"The middle part of the token is not JSON claims, so the token is damaged. {AGAIN}"),
        ("a.b.c", f"The middle part of the token is not JSON claims, so the token is damaged. {AGAIN}"),
        ("e30.e30.e30", f"The token has no usable expiry (claim exp). {AGAIN}"),
        ("e30.W10.e30", f"The middle part of the token is not JSON claims, so the token is damaged. {AGAIN}"),
    ],
)
def test_what_is_no_token_is_told_by_its_kind(text: str, said: str) -> None:
    assert refusal(read_claims, Secret(text)) == said


def test_a_token_is_worth_trying_until_its_end() -> None:
    assert check_token(token(), END_NS - 1).expires_at_ns == END_NS
    assert check_token(of({"exp": END}), 0).subject == ""
    assert refusal(check_token, token(), END_NS) == f"The token expired at 2026-11-18 16:36 IST. {AGAIN}"
    said = refusal(check_token, token(sub="x" * 50), 0)
    assert said == f"This is a token of another kind ({'x' * 40!r}), not an access token. {AGAIN}"


def test_an_opaque_token_is_kept_with_its_end() -> None:
    stored = wrap(Opaque(Secret("opaque"), END_NS))
    assert json.loads(stored.get_secret_value()) == {"token": "opaque", "expires_at": END}
    assert unwrap(stored) == Opaque(Secret("opaque"), END_NS)
    assert expires_at_ns(stored) == END_NS
    assert expires_at_ns(token()) == END_NS
    assert expires_at_ns(Secret("hunter2")) is None
    assert expires_at_ns(Secret("{}")) is None


@pytest.mark.parametrize(
    "text", ["", "1", "[]", '{"token": "x"}', '{"expires_at": 1}', '{"token": "x", "expires_at": "y"}', "[" * 100_000]
)
def test_a_stored_value_of_another_form_is_refused(text: str) -> None:
    said = refusal(unwrap, Secret(text))
    assert said == "The stored value is not one of ours (JSON with token and expires_at). Log in again."
