"""The automatic refresh against the exchange: done, ended for good, refused, and later."""

import argparse
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.alerts.message import Message, Severity
from harvester.alerts.renewals import message_of
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.redaction import Secret
from harvester.base.validation import validate
from harvester.commands import renew as command
from harvester.config.settings import Settings
from harvester.tokens.refresh import RefreshError, _explain
from harvester.tokens.renewal import RenewalOutcome, Stores, forget, remembered, renew
from harvester.tokens.stores import FileStore
from harvester.tokens.web import BrokerAnswer

API_URL = "https://api-t1.fyers.in"
DAY_NS = 86_400 * NS_PER_SECOND


@pytest.fixture
def stores(tmp_path: Path, exchange: Path, app: dict[str, str], reachable: dict[str, str]) -> Stores:
    """All that a refresh needs, with a refresh token that the exchange gave."""
    names = ("access_token", "refresh_token", "pin", "app_secret", "state")
    made = Stores(*(FileStore(tmp_path / name) for name in names))
    made.refresh_token.write(Secret(Tokens(StateDir(exchange), SystemClock()).mint_refresh_token()))
    made.pin.write(Secret(app["pin"]))
    made.app_secret.write(Secret(app["secret"]))
    return made


def attempt(
    stores: Stores, app: dict[str, str], *, wall_ns: int | None = None, account: str | None = None
) -> RenewalOutcome:
    return renew(
        stores,
        app_id=app["app_id"],
        api_url=API_URL,
        account=account or app["user"],
        wall_ns=wall_ns or time.time_ns(),
    )


def test_refresh_token_and_pin_become_an_access_token(stores: Stores, app: dict[str, str]) -> None:
    outcome = attempt(stores, app)

    assert outcome.kind == "renewed", outcome
    assert "14 days left" in outcome.detail
    assert message_of(outcome, "") is None
    stored = stores.access_token.read()
    assert stored is not None and stored.value.get_secret_value() not in outcome.detail


def test_few_days_left_are_announced_once_each(stores: Stores, app: dict[str, str]) -> None:
    now = time.time_ns()

    days = [attempt(stores, app, wall_ns=now + number * DAY_NS).days for number in (11, 11, 12, 13, 13, 14)]

    assert days == [3, None, None, 1, None, None]
    message = message_of(RenewalOutcome("renewed", "", False, 1), "Log in: link")
    assert message is not None and message.title == "The refresh token ends within 1 day"


def test_a_wrong_pin_is_refused_once_and_asked_again_when_it_was_put_right(stores: Stores, app: dict[str, str]) -> None:
    stores.pin.write(Secret("000000"))

    first, second = attempt(stores, app), attempt(stores, app)
    stores.pin.write(Secret(app["pin"]))
    third = attempt(stores, app)

    assert (first.kind, first.new) == ("refused", True)
    assert "sudo install -o harvester-token" in first.detail, "this host reads its PIN from a file"
    assert (second.kind, second.new) == ("refused", False)
    assert third.kind == "renewed"


def test_a_token_of_another_account_is_not_stored(stores: Stores, app: dict[str, str]) -> None:
    outcome = attempt(stores, app, account="AB12345")

    assert (outcome.kind, stores.access_token.read()) == ("refused", None)


def test_an_expired_refresh_token_is_not_even_sent(stores: Stores, app: dict[str, str]) -> None:
    outcome = attempt(stores, app, wall_ns=time.time_ns() + 16 * DAY_NS)

    assert outcome.kind == "refused"
    assert "expired" in outcome.detail


def test_what_is_not_set_up_is_silent(stores: Stores, app: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "pin").unlink()

    outcome = attempt(stores, app)

    assert (outcome.kind, message_of(outcome, "")) == ("not_set_up", None)


def test_an_outage_is_tried_again_and_remembered_by_nobody(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    outcome = attempt(stores, app)

    assert (outcome.kind, message_of(outcome, "")) == ("later", None)
    assert stores.state.read() is None


def test_a_proof_that_cannot_be_had_now_is_tried_again(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token was given; only whose it is could not be asked. A person need not log in for that."""
    monkeypatch.setattr("harvester.tokens.login.ask", lambda *_, **__: BrokerAnswer(503, {}, None))

    outcome = attempt(stores, app)

    assert (outcome.kind, message_of(outcome, "")) == ("later", None)
    assert stores.access_token.read() is None


def test_a_host_tries_again_until_the_first_reminder_and_stores_then(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    settings = SimpleNamespace(broker=SimpleNamespace(app_id=app["app_id"], api_url=API_URL))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            undo()

    with monkeypatch.context() as patched:
        undo = patched.undo
        patched.setattr("harvester.tokens.login.ask", lambda *_, **__: BrokerAnswer(503, {}, None))
        outcome = command._try(settings, stores, sleep)  # type: ignore[arg-type]

    assert outcome.kind == "renewed"
    assert slept == [60, 300]
    assert sum(command.PAUSES_SECONDS) < 55 * 60, "07:00 plus this is before the reminder of 08:00"


def test_a_refusal_is_not_tried_again_at_once(stores: Stores, app: dict[str, str]) -> None:
    settings = SimpleNamespace(broker=SimpleNamespace(app_id=app["app_id"], api_url=API_URL))
    stores.pin.write(Secret("000000"))

    outcome = command._try(settings, stores, lambda _: pytest.fail("it waited"))  # type: ignore[arg-type]

    assert outcome.kind == "refused"


def test_an_inbox_that_is_not_there_does_not_hide_what_became_of_the_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SimpleNamespace(alerts=SimpleNamespace(inbox=tmp_path / "none"), host_id="h1")

    command._tell(settings, Message(Severity.WARNING, "refresh_gone", "title", "body"))  # type: ignore[arg-type]

    assert "nobody_told" in capsys.readouterr().out


def refused(status: int, code: int, message: str, pin: str = "482913") -> RefreshError:
    return _explain(BrokerAnswer(status, {"s": "error", "code": code, "message": message}, None), Secret(pin))


def test_a_pin_that_the_broker_says_back_is_masked() -> None:
    told = str(refused(400, -50, "Please provide a valid pin, not 4829", pin="4829"))

    assert "4829" not in told and "PIN" in told


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (401, -16, "Refresh token API is currently disabled to comply with SEBI regulations.", "gone"),
        (400, -14, "This API has been discontinued", "gone"),
        (501, -501, "", "gone"),
        (404, 404, "Not found", "gone"),
        (401, -16, "Could not authenticate the user", "refused"),
        (400, -50, "Please provide a valid pin", "refused"),
        (401, -8, "Your token has expired", "refused"),
        (400, -371, "Please provide sha256 hash", "refused"),
        (429, -429, "limit", "later"),
        (503, 0, "", "later"),
    ],
)
def test_the_answer_says_what_follows(status: int, code: int, message: str, kind: str) -> None:
    assert refused(status, code, message).kind == kind


@pytest.mark.parametrize("body", [{}, {"message": "Not Found"}, {"s": "error", "code": None}, {"s": "ok"}])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, "absent"), (405, "absent"), (410, "absent"), (501, "absent"), (403, "later"), (200, "later")],
)
def test_what_is_not_the_brokers_own_answer_ends_nothing(status: int, kind: str, body: dict[str, object]) -> None:
    error = _explain(BrokerAnswer(status, body, None), Secret("482913"))

    assert error.kind == kind
    assert "is not the broker" in str(error)


def test_a_flow_that_is_gone_is_remembered_told_once_and_never_asked_again(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def gone(*arguments: object, **_: object) -> BrokerAnswer:
        asked.append(arguments)
        return BrokerAnswer(
            401, {"s": "error", "code": -16, "message": "Refresh token API is currently disabled"}, None
        )

    monkeypatch.setattr("harvester.tokens.refresh.ask", gone)
    outcomes = [attempt(stores, app) for _ in range(5)]
    stores.refresh_token.write(Secret(stores.refresh_token.read().value.get_secret_value()))  # type: ignore[union-attr]

    assert [outcome.kind for outcome in outcomes] == ["gone"] * 5
    assert [outcome.new for outcome in outcomes] == [True, False, False, False, False]
    assert len(asked) == 1
    message = message_of(outcomes[0], "Log in: link")
    assert message is not None and "log in each day" in message.title and message.body.endswith("Log in: link")
    assert remembered(stores.state) == ("gone", outcomes[0].detail, False, None)
    forget(stores.state)
    assert remembered(stores.state) is None
    attempt(stores, app)
    assert len(asked) == 2


BARE = BrokerAnswer(404, {}, None)
"""As a proxy, a web server or a gateway answers: no error in the broker's form."""


def test_one_bare_404_is_a_failure_with_its_own_words_and_no_end(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    with monkeypatch.context() as patched:
        patched.setattr("harvester.tokens.refresh.ask", lambda *_, **__: BARE)
        outcomes = [attempt(stores, app, wall_ns=now + minutes * 60 * NS_PER_SECOND) for minutes in (0, 1, 51)]
        held = remembered(stores.state)
    renewed = attempt(stores, app, wall_ns=now + DAY_NS)

    assert [outcome.kind for outcome in outcomes] == ["later"] * 3
    assert "is not the broker (HTTP 404" in outcomes[0].detail and "broker.api_url" in outcomes[0].detail
    assert message_of(outcomes[0], "") is None
    assert held is not None and (held.kind, held.detail) == ("absent", outcomes[0].detail)
    assert renewed.kind == "renewed"
    assert remembered(stores.state) is None, "what worked ends what was held against it"


def test_a_bare_404_that_is_still_there_the_next_day_is_the_end(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("harvester.tokens.refresh.ask", lambda *_, **__: asked.append(1) or BARE)
    now = time.time_ns()

    outcomes = [attempt(stores, app, wall_ns=now + days * DAY_NS) for days in (0, 1, 2)]

    assert [(outcome.kind, outcome.new) for outcome in outcomes] == [("later", True), ("gone", True), ("gone", False)]
    assert len(asked) == 2
    message = message_of(outcomes[1], "Log in: link")
    assert message is not None and "No refresh of the broker is to be found since" in message.body
    forget(stores.state)
    assert attempt(stores, app, wall_ns=now + 3 * DAY_NS).kind == "later", "it begins anew"


def test_an_absence_is_over_when_the_broker_answers_itself(
    stores: Stores, app: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, broker = (
        time.time_ns(),
        BrokerAnswer(400, {"s": "error", "code": -50, "message": "Please provide a valid pin"}, None),
    )
    answers = iter((BARE, broker, BARE))
    monkeypatch.setattr("harvester.tokens.refresh.ask", lambda *_, **__: next(answers))

    first, second = attempt(stores, app, wall_ns=now), attempt(stores, app, wall_ns=now + DAY_NS)
    stores.pin.write(Secret("111111"))
    third = attempt(stores, app, wall_ns=now + 2 * DAY_NS)

    assert [first.kind, second.kind, third.kind] == ["later", "refused", "later"]


def test_the_host_says_what_is_remembered_and_forgets_it_without_asking_the_broker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvester.tokens.refresh.ask", lambda *_, **__: pytest.fail("it asked"))
    state = FileStore(tmp_path / "state")
    state.write(Secret('{"gone": "The broker says so."}'))
    settings = validate(
        Settings,
        {
            "symbols": ["NSE:SBIN-EQ"],
            "broker": {"app_id": "ABCDE12345-100"},
            "token": {"renew": {"state": f"file:{tmp_path / 'state'}"}},
        },
    )
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    said = []
    for flag in ("--remembered", "--forget", "--remembered"):
        arguments = parser.parse_args([flag], argparse.Namespace(debug=False))
        assert command.run(arguments, settings) == 0
        said.append(capsys.readouterr().out)

    assert json.loads(said[0]) == {"kind": "gone", "detail": "The broker says so."}
    assert "forgotten" in said[1]
    assert json.loads(said[2]) == {}


def test_no_part_of_the_login_is_in_what_is_remembered(stores: Stores, app: dict[str, str]) -> None:
    stores.pin.write(Secret("000000"))
    attempt(stores, app)

    kept = stores.state.read()

    assert kept is not None
    remembered = json.dumps(kept.value.get_secret_value())
    for store in stores[1:4]:
        stored = store.read()
        assert stored is not None and stored.value.get_secret_value() not in remembered
