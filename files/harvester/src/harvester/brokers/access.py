"""Whether a request or a connection may go out: a token is at hand and not refused, the broker's limits allow it."""

import random
from collections import deque
from datetime import date
from typing import Literal

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import day_end_ns, to_local
from harvester.brokers.protocol import PollResult
from harvester.config.limits import MINUTE_NS, RequestLimits
from harvester.ledger.outage import Outage
from harvester.tokens.handover import Token

TokenState = Literal["ok", "missing", "expired", "refused"]
REFUSED_RETRY_NS = 60 * NS_PER_SECOND
BACKOFF_FIRST, BACKOFF_LAST = 5.0, 300.0
USED_UP = Outage("rate_limited", "the broker's limit is used up; not sent")
LONGEST_WAIT = 3600.0
"""Seconds; a block that ends before the broker said so is noticed within that time."""
BLOCK_SECONDS = 900.0
"""A broker that names a longer wait than this means no limit of a minute: the account is blocked."""
NO_ANSWER = {"disconnect", "timeout", "server_error"}
"""Causes that say nothing of a token."""
NO_TOKEN = Outage("no_token", "no access token has been handed over")
EXPIRED = Outage("no_token", "the access token has expired, and nobody has logged in since")
"""Also recorded when the broker refuses an expired token: the ledger should say that the login was missed."""


class Access:
    """Decides on each request, and takes each result into account. Times are monotonic ns; expiry is wall ns."""

    def __init__(self, limits: RequestLimits) -> None:
        self.token: Token | None = None
        self.unproven = ""
        """Why the broker could not be asked whether it takes the token; empty: it did, or was not asked yet."""
        self._is_proven = False
        self._limits = limits
        self._refusal = ""
        self._try_again_ns = 0
        self._wait_until_ns = 0
        self._waited_ns = 0
        """How long nothing was sent before the requests that are answered now."""
        self._rate_limited = 0
        self._blocked_until_ns = 0
        self._sent: deque[int] = deque()
        self._today: date | None = None
        self._sent_today = 0

    def adopt(self, token: Token) -> None:
        """Use this token from now on; what the broker said to the one before no longer counts."""
        self.token = token
        self.unproven, self._is_proven = "", False
        self._refusal = ""
        self._try_again_ns = 0

    def token_state(self, wall_ns: int) -> TokenState:
        """The token's state, for status and health."""
        if self.token is None:
            return "missing"
        if self._refusal:
            return "refused"
        return "expired" if self.token.expires_at_ns <= wall_ns else "ok"

    def blocked_until(self, wall_ns: int) -> int | None:
        """Until when, in wall ns, the broker has blocked the account; None: it has not, as far as one can tell."""
        return self._blocked_until_ns if wall_ns < self._blocked_until_ns else None

    def check_request(self, wall_ns: int, mono_ns: int) -> Outage | None:
        """Why no request may be sent now, or None: send, and the request is counted as sent."""
        is_waiting = self.token is not None and mono_ns < self._wait_until_ns
        refusal = self._describe_wait(wall_ns) if is_waiting else self._check_token(wall_ns, mono_ns)
        outage = refusal or self.check_limits(wall_ns, mono_ns)
        if outage is None:
            self._note_try(wall_ns, mono_ns)
        return outage

    def check_limits(self, wall_ns: int, mono_ns: int) -> Outage | None:
        """Why the broker's limits allow no request now, or None: it is counted as sent.

        For a request that belongs to a connection for which `check_connection` has looked at the token.
        """
        if mono_ns < self._wait_until_ns:
            return self._describe_wait(wall_ns)
        return None if self._is_within_limits(wall_ns, mono_ns) else USED_UP

    def check_connection(self, wall_ns: int, mono_ns: int) -> Outage | None:
        """Why no connection may be opened with the token now, or None: it counts as tried.

        A token that was refused, or has expired by our clock, is tried once a minute: our clock may be the wrong one.
        """
        outage = self._check_token(wall_ns, mono_ns)
        if outage is None:
            self._note_try(wall_ns, mono_ns)
        return outage

    def note_result(self, result: PollResult, token: Token) -> PollResult:
        """Take note of how a request with `token` ended; the same result, with the outage to record."""
        cause = result.outage.cause if result.outage else None
        if token is self.token:
            self._note_proof(result.outage)
        if result.outage and cause == "token_refused":
            if token.expires_at_ns <= result.wall_ns:
                return result._replace(outage=EXPIRED)
            if token is self.token:  # it says nothing about a token adopted meanwhile
                self._refusal = result.outage.detail
                self._try_again_ns = max(self._try_again_ns, result.mono_ns + REFUSED_RETRY_NS)
        elif cause == "rate_limited":
            self._back_off(result)
            if self.blocked_until(result.wall_ns):
                return result._replace(outage=self._describe_wait(result.wall_ns))
        elif cause is None:
            self._rate_limited = self._waited_ns = self._blocked_until_ns = 0
            if token is self.token:
                self._refusal = ""
        return result

    def _note_proof(self, outage: Outage | None) -> None:
        self._is_proven = self._is_proven or outage is None
        doubt = f"{outage.cause}: {outage.detail}" if outage and outage.cause in NO_ANSWER else ""
        self.unproven = "" if self._is_proven else doubt

    def _check_token(self, wall_ns: int, mono_ns: int) -> Outage | None:
        if self.token is None:
            return NO_TOKEN
        if self.token_state(wall_ns) != "ok" and mono_ns < self._try_again_ns:
            return Outage("token_refused", self._refusal) if self._refusal else EXPIRED
        return None

    def _note_try(self, wall_ns: int, mono_ns: int) -> None:
        if self.token_state(wall_ns) != "ok":
            self._try_again_ns = mono_ns + REFUSED_RETRY_NS

    def _back_off(self, result: PollResult) -> None:
        """Wait as the broker says, else twice as long each time, with jitter so that hosts do not retry together.

        From the second refusal on it is BACKOFF_FIRST seconds at least.
        """
        if result.mono_ns < self._wait_until_ns:
            return  # another answer of a slot that is being waited out already
        self._rate_limited += 1
        backoff = min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** (self._rate_limited - 1))
        told = result.retry_after_seconds
        self._note_block(result, told or 0.0)
        seconds = told + random.uniform(0, 1) if told is not None else backoff * random.uniform(0.75, 1.25)
        if self._rate_limited > 1:  # whoever says "at once" again and again is not taken at his word
            seconds = max(seconds, BACKOFF_FIRST)
        self._waited_ns = int(min(seconds, LONGEST_WAIT) * NS_PER_SECOND)
        self._wait_until_ns = result.mono_ns + self._waited_ns

    def _note_block(self, result: PollResult, told_seconds: float) -> None:
        """The broker blocks an account for the rest of the day after some minutes over its limit (Fyers API docs).

        It names no such state. A refusal of the first requests after more than a minute without any is none of a
        second or a minute; one that names hours says itself until when.
        """
        if told_seconds > BLOCK_SECONDS:
            self._blocked_until_ns = result.wall_ns + int(told_seconds * NS_PER_SECOND)
        elif self._waited_ns > MINUTE_NS and not self.blocked_until(result.wall_ns):
            self._blocked_until_ns = day_end_ns(to_local(result.wall_ns).date())

    def _describe_wait(self, wall_ns: int) -> Outage:
        until_ns = self.blocked_until(wall_ns)
        if until_ns is None:
            return Outage("rate_limited", "waiting as the broker's rate limit demands")
        ends = f"{to_local(until_ns):%Y-%m-%d %H:%M %Z}"
        return Outage("blocked", f"the broker has blocked the account until {ends}; it is asked again now and then")

    def _is_within_limits(self, wall_ns: int, mono_ns: int) -> bool:
        """Count the request when it is allowed. The broker's day is the market's."""
        while self._sent and self._sent[0] <= mono_ns - MINUTE_NS:
            self._sent.popleft()
        today = to_local(wall_ns).date()
        if today != self._today:
            self._today, self._sent_today = today, 0
        last_second = sum(1 for sent in reversed(self._sent) if sent > mono_ns - NS_PER_SECOND)
        is_within = (
            last_second < self._limits.per_second
            and len(self._sent) < self._limits.per_minute
            and self._sent_today < self._limits.per_day
        )
        if is_within:
            self._sent.append(mono_ns)
            self._sent_today += 1
        return is_within
