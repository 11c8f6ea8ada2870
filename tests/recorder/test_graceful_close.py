"""What a close of a connection proves, where the server goes on sending until the end of it."""

import asyncio
from time import monotonic_ns
from typing import Any

import pytest

from harvester.ledger.streams import Tail
from harvester.net import graceful_close
from harvester.net.graceful_close import BEHIND, UNANSWERED, close_gracefully


class Sending:
    """A socket that never falls silent; it last answered a ping of 100, and its last message came at 200."""

    is_over = False
    proven_ns, last_wall_ns, whole_ns = 100, 200, 200

    def __init__(self, *, answers_pings: bool, is_silent: bool = False) -> None:
        self.answers_pings, self._is_silent = answers_pings, is_silent

    @property
    def heard_mono_ns(self) -> int:
        return 0 if self._is_silent else monotonic_ns()

    def ping(self) -> None: ...
    def send_close(self) -> None: ...
    def end(self, outage: object) -> None: ...


@pytest.mark.parametrize(("answers_pings", "until_ns"), [(True, 100), (False, 200)])
def test_of_what_still_flows_no_more_is_whole_than_a_ping_proves_or_else_the_last_message(
    answers_pings: bool, until_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graceful_close, "DRAIN_NS", 1)
    socket: Any = Sending(answers_pings=answers_pings)
    assert asyncio.run(close_gracefully(socket)) == Tail(until_ns, BEHIND)


def test_a_server_that_fell_silent_sent_nothing_after_its_last_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graceful_close, "QUIET_NS", 0)
    socket: Any = Sending(answers_pings=True, is_silent=True)
    assert asyncio.run(close_gracefully(socket)) == Tail(200, UNANSWERED)
