"""The recorder's side of the token: what is taken from the handover, when it is proven, and what is told of both."""

import asyncio
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.recorder.fakes import FakeClock, make_token
from tests.recorder.live_feed import Journal

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.brokers.access import Access
from harvester.brokers.protocol import PollResult
from harvester.capture.token_keeper import TokenKeeper
from harvester.config.limits import RequestLimits
from harvester.ledger.outage import Outage
from harvester.tokens.handover import Token, write_handover

NOW = 1_785_904_200 * NS_PER_SECOND
OPENS = NOW + 600 * NS_PER_SECOND


class Stand:
    """A keeper with what it is given; the broker answers as the test says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock, self.journal = FakeClock(NOW), Journal()
        self.access = Access(RequestLimits(10, 100, 1000))
        self.outage: Outage | None = None
        self.asked: list[str] = []
        self.compared: list[tuple[int | None, int]] = []
        self.trading = Thing(is_token_doubted=True)
        context: Any = Thing(
            settings=Thing(token=Thing(handover=path)),
            access=self.access,
            sink=self.journal,
            clock=self.clock,
            trading=self.trading,
            client=self,
            watch=Thing(compare=lambda *times: self.compared.append(times)),
        )
        self.keeper = TokenKeeper(context)

    async def prove_token(self, token: Secret) -> PollResult:
        self.asked.append(token.get_secret_value())
        return PollResult("", 0, NOW, NOW + 2, 7, 200, b"{}", self.outage, server_date_ns=NOW + 1)

    def hand_over(self, version: str = "file:1") -> str:
        expires_ns = NOW + 3600 * NS_PER_SECOND
        token = make_token(expires_ns / NS_PER_SECOND, version=version)
        write_handover(self.path, Token(Secret(token), version, expires_ns))
        return token


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path / "access-token")


def test_each_new_token_is_adopted_journalled_and_told_and_the_same_once_more_is_none(stand: Stand) -> None:
    with capture_logs() as said:
        assert not stand.keeper.adopt_new(), "nothing is there"
        stand.hand_over()
        assert stand.keeper.adopt_new()
        assert not stand.keeper.adopt_new(), "it did not change"
        stand.hand_over()
        assert not stand.keeper.adopt_new(), "an agent that starts again hands over what it finds"
        stand.hand_over("file:2")
        assert stand.keeper.adopt_new()

    expires_ns = NOW + 3600 * NS_PER_SECOND
    assert said == [
        {"event": "token_adopted", "log_level": "info", "version": version} for version in ("file:1", "file:2")
    ]
    assert stand.journal.of_type("token") == [
        {"type": "token", "version": version, "expires_at_ns": expires_ns} for version in ("file:1", "file:2")
    ]
    assert stand.access.token and stand.access.token.version == "file:2"


def test_a_handover_that_is_none_is_told_once_and_forgotten_with_the_next_good_one(stand: Stand) -> None:
    with capture_logs() as said:
        stand.hand_over()
        assert stand.keeper.adopt_new()
        stand.path.unlink()
        stand.path.write_text("nonsense")
        assert not stand.keeper.adopt_new()
        problem = stand.keeper.problem
        assert not stand.keeper.adopt_new()

    assert problem.startswith(str(stand.path))
    assert said[1:] == [{"event": "token_not_adopted", "log_level": "error", "detail": problem}]
    assert stand.keeper.problem == problem
    assert stand.access.token and stand.access.token.version == "file:1", "the one before goes on"
    stand.path.unlink()
    stand.hand_over()
    assert not stand.keeper.adopt_new()
    assert stand.keeper.problem == ""


@pytest.mark.parametrize(
    ("outage", "told"),
    [
        (None, {"event": "token_proven", "log_level": "info", "version": "file:1"}),
        (
            Outage("token_refused", "code -16"),
            {"event": "token_not_proven", "log_level": "warning", "version": "file:1"}
            | {"cause": "token_refused", "detail": "code -16"},
        ),
    ],
)
def test_what_the_broker_says_of_the_token_is_told_and_noted(
    stand: Stand, outage: Outage | None, told: dict[str, Any]
) -> None:
    token = stand.hand_over()
    stand.keeper.adopt_new()
    stand.outage = outage
    with capture_logs() as said:
        asyncio.run(stand.keeper.prove())

    assert said == [told]
    assert stand.asked == [token]
    assert stand.compared == [(NOW + 1, NOW + 2)]
    assert stand.access.token_state(NOW) == ("refused" if outage else "ok")
    assert not stand.trading.is_token_doubted


def test_a_doubt_stays_while_nothing_may_be_asked(stand: Stand) -> None:
    asyncio.run(stand.keeper.prove())
    assert (stand.asked, stand.trading.is_token_doubted) == ([], True), "there is no token"
    stand.hand_over()
    stand.keeper.adopt_new()
    while not stand.access.check_request(NOW, stand.clock.mono_ns()):
        pass
    asyncio.run(stand.keeper.prove())
    assert (stand.asked, stand.trading.is_token_doubted) == ([], True), "the limit of a second is used up"


def test_a_proof_is_due_once_for_each_opening_ten_minutes_ahead(stand: Stand) -> None:
    due = stand.keeper.is_proof_due

    assert not due(None, NOW)
    assert not due(OPENS, NOW - 1)
    assert [due(OPENS, moment) for moment in (NOW, NOW, OPENS)] == [True, False, False]
    assert [due(OPENS + 5, NOW + 5) for _ in range(2)] == [True, False]
