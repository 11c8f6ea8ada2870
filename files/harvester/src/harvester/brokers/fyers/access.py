"""Whether a poll may be sent at all: token at hand, not refused, not told to wait, within the broker's limits."""

import random
from collections import deque
from typing import Literal, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.poll_result import Arrival
from harvester.config.limits import MINUTE_NS, RequestLimits
from harvester.ledger.polls import Cause
from harvester.tokens.handover import Token

TokenState = Literal["ok", "missing", "expired", "refused"]
REFUSED_RETRY_NS = 60 * NS_PER_SECOND
FORBIDDEN = 403
FORBIDDEN_RETRY_NS = 300 * NS_PER_SECOND
"""A missing permission of the app does not come back within a minute, and asking on could look like an attack."""
BACKOFF_FIRST, BACKOFF_LAST = 5.0, 300.0
DAY_NS = 86_400 * NS_PER_SECOND


class Refusal(NamedTuple):
    """Why a poll is not sent: the cause of its slot's gap."""

    cause: Cause
    detail: str


NO_TOKEN = Refusal("no_token", "no access token has been handed over")
EXPIRED = Refusal("no_token", "the access token has expired, and nobody has logged in since")
"""Also what a refusal of such a token comes to: whoever reads the ledger wants to know that the login was missed."""


class Gate:
    """Decides for each poll, and learns from each answer. Times are monotonic ns; the token's expiry is wall ns."""

    def __init__(self, limits: RequestLimits) -> None:
        self.token: Token | None = None
        self._limits = limits
        self._refused = ""
        self._try_again_ns = 0
        self._wait_until_ns = 0
        self._rate_limited = 0
        self._sent: deque[int] = deque()
        self._sent_today: list[int] = [0, 0]

    def adopt(self, token: Token) -> None:
        """Use this token from now on, whatever became of the one before."""
        self.token = token
        self._refused = ""
        self._try_again_ns = 0

    def token_state(self, wall_ns: int) -> TokenState:
        """How the token stands, for status and health."""
        if self.token is None:
            return "missing"
        if self._refused:
            return "refused"
        return "expired" if self.token.expires_at_ns <= wall_ns else "ok"

    def refuse(self, wall_ns: int, mono_ns: int) -> Refusal | None:
        """Why nothing may be sent now, or None: send, and the request is counted as sent."""
        if self.token and mono_ns < self._wait_until_ns:
            return Refusal("rate_limited", "waiting as the broker's rate limit demands")
        refusal = self._doubt(wall_ns, mono_ns)
        if refusal:
            return refusal
        if not self._within_limits(mono_ns):
            return Refusal("rate_limited", "the broker's limit is used up; not sent")
        self._note_try(wall_ns, mono_ns)
        return None

    def doubt(self, wall_ns: int, mono_ns: int) -> Refusal | None:
        """Why no connection may be opened with the token now, or None: it counts as tried.

        A token that was refused, or has expired by our clock, is tried once a minute: our clock may be the wrong one.
        """
        refusal = self._doubt(wall_ns, mono_ns)
        if refusal is None:
            self._note_try(wall_ns, mono_ns)
        return refusal

    def _doubt(self, wall_ns: int, mono_ns: int) -> Refusal | None:
        if self.token is None:
            return NO_TOKEN
        if self.token_state(wall_ns) != "ok" and mono_ns < self._try_again_ns:
            return Refusal("token_refused", self._refused) if self._refused else EXPIRED
        return None

    def _note_try(self, wall_ns: int, mono_ns: int) -> None:
        if self.token_state(wall_ns) != "ok":
            self._try_again_ns = mono_ns + REFUSED_RETRY_NS

    def learn(self, arrival: Arrival, token: Token) -> Arrival:
        """Take note of how a poll with `token` ended; the same arrival, with the cause that counts."""
        if arrival.cause == "token_refused" and token.expires_at_ns <= arrival.wall_ns:
            return arrival._replace(cause=EXPIRED.cause, detail=EXPIRED.detail)
        if arrival.cause == "token_refused":
            pause_ns = FORBIDDEN_RETRY_NS if arrival.status == FORBIDDEN else REFUSED_RETRY_NS
            self.refuse_token(token, arrival.detail, arrival.mono_ns, pause_ns)
        elif arrival.cause == "rate_limited":
            self._hold(arrival)
        elif arrival.cause is None:
            self._rate_limited = 0
            if token is self.token:
                self._refused = ""
        return arrival

    def refuse_token(self, token: Token, detail: str, mono_ns: int, pause_ns: int = REFUSED_RETRY_NS) -> None:
        """The broker does not accept this token; no word about another that came meanwhile."""
        if token is self.token:
            self._refused = detail
            self._try_again_ns = max(self._try_again_ns, mono_ns + pause_ns)

    def _hold(self, arrival: Arrival) -> None:
        """Wait as told, else twice as long each time, spread so that hosts do not return together."""
        if arrival.mono_ns < self._wait_until_ns:
            return  # the other answers of a slot that is already being waited out
        self._rate_limited += 1
        backoff = min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** (self._rate_limited - 1))
        told = arrival.retry_after_seconds
        seconds = told + random.uniform(0, 1) if told is not None else backoff * random.uniform(0.75, 1.25)
        self._wait_until_ns = arrival.mono_ns + int(seconds * NS_PER_SECOND)

    def _within_limits(self, mono_ns: int) -> bool:
        while self._sent and self._sent[0] <= mono_ns - MINUTE_NS:
            self._sent.popleft()
        if mono_ns // DAY_NS != self._sent_today[0]:
            self._sent_today = [mono_ns // DAY_NS, 0]
        last_second = sum(1 for sent in reversed(self._sent) if sent > mono_ns - NS_PER_SECOND)
        within = (
            last_second < self._limits.per_second
            and len(self._sent) < self._limits.per_minute
            and self._sent_today[1] < self._limits.per_day
        )
        if within:
            self._sent.append(mono_ns)
            self._sent_today[1] += 1
        return within
