"""An access token without a person, where the account still has the broker's old refresh flow.

The flow ended on 2026-04-01 for most accounts (SEBI's rules for retail algorithms). An answer of the broker that says
so is final. What is not the broker's own answer, such as a proxy's or a deploy's, is not.
"""

import re
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import MASK, Secret, redact, register_secret
from harvester.tokens.claims import TokenError, read_claims
from harvester.tokens.login import App, app_hash, take_token
from harvester.tokens.web import BrokerAnswer, BrokerUnreachableError, ask

PATH = "/api/v3/validate-refresh-token"
WORDS_OF_THE_END = re.compile(r"disabled|discontinued|no longer|not supported|regulation|sebi", re.IGNORECASE)
ABSENT_STATUS = {404, 405, 410, 501}
GONE_CODES = {-501}
DEAD_CODES = {-8, -14, -15, -16, -17}
STORE_PIN = "./inv secret-put --name pin"
WRONG_PIN = re.compile(r"\bpin\b", re.IGNORECASE)
DAY_NS = 86_400 * NS_PER_SECOND


class RefreshError(HarvesterError):
    """No new access token; `kind` says what follows.

    gone: the flow does not exist any more; refused: this refresh token, PIN or app is not taken; both ask for a person
    and are not tried again. later: the broker did not answer or is overloaded; trying again may help. absent: there is
    nothing at the address, though the broker did not say so itself; trying again may help, or tells in the end.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Refreshed(NamedTuple):
    """A new access token, and the days that its refresh token has left."""

    access_token: Secret
    days_left: int


def refresh(
    app: App, token: Secret, pin: Secret, *, api_url: str, wall_ns: int, another_pin: str = STORE_PIN
) -> Refreshed:
    """Ask for an access token with refresh token and PIN; `another_pin` is how a person stores one.

    Raises RefreshError or TokenError.
    """
    for secret in (app.secret, token, pin):
        register_secret(secret)
    days = days_left(token, wall_ns)
    if days < 0:
        raise RefreshError("refused", "The refresh token has expired. Log in: ./inv token-push stores a new one.")
    body = {
        "grant_type": "refresh_token",
        "appIdHash": app_hash(app),
        "refresh_token": token.get_secret_value(),
        "pin": pin.get_secret_value(),
    }
    try:
        answer = ask("POST", f"{api_url}{PATH}", json_body=body)
    except BrokerUnreachableError as error:
        raise RefreshError("later", f"{error} The token that is in use goes on.") from None
    if answer.status == 200 and answer.body.get("s") == "ok":
        return Refreshed(take_token(answer), days)
    raise _explain(answer, pin, another_pin)


def days_left(token: Secret, wall_ns: int) -> int:
    """Whole days until the refresh token ends; negative when it has. Raises TokenError when it does not say."""
    claims = read_claims(token)
    if claims.subject != "refresh_token":
        raise TokenError(f"This is no refresh token (its claim sub is {claims.subject[:40]!r}). Log in again.")
    return (claims.expires_at_ns - wall_ns) // DAY_NS


def _explain(answer: BrokerAnswer, pin: Secret, another_pin: str = STORE_PIN) -> RefreshError:
    code, message = answer.body.get("code"), str(answer.body.get("message", ""))
    # A PIN is too short for the masking of everything that is said, so it is masked here.
    masked = redact(message).replace(pin.get_secret_value(), MASK)
    told = f"(HTTP {answer.status}, code {code}, {' '.join(masked.split())[:160] or 'no message'})"
    if not _is_the_brokers(answer):
        return RefreshError(
            "absent" if answer.status in ABSENT_STATUS else "later",
            f"What answers at {PATH} is not the broker {told}: a proxy, or the broker's own site while it is deployed;"
            " a wrong broker.api_url has the same effect.",
        )
    if answer.status in ABSENT_STATUS or code in GONE_CODES or WORDS_OF_THE_END.search(message):
        return RefreshError("gone", f"The broker does not refresh tokens for this account any more {told}. Log in.")
    if answer.status == 429 or answer.status >= 500 or code == -429:
        return RefreshError("later", f"The broker has no time to refresh the token {told}.")
    if WRONG_PIN.search(message):
        return RefreshError("refused", f"The broker refuses the PIN {told}. Store the right one: {another_pin}.")
    if code in DEAD_CODES:
        return RefreshError("refused", f"The broker does not accept the refresh token {told}. Log in.")
    return RefreshError("refused", f"The broker refuses to refresh the token {told}. Log in.")


def _is_the_brokers(answer: BrokerAnswer) -> bool:
    """Whether the body is an error in the form that the broker documents; a proxy's or a web server's is not."""
    return answer.body.get("s") == "error" and isinstance(answer.body.get("code"), int)
