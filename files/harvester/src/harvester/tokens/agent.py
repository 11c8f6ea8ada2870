"""The token agent: asks the store for a new token, checks its shape, hands it to the recorder."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.redaction import Secret, register_secret
from harvester.base.systemd import Notifier
from harvester.tokens.claims import TokenError, check_token
from harvester.tokens.expiry import Opaque
from harvester.tokens.handover import Token, identify, write_handover
from harvester.tokens.stores import StoredToken, StoreError, TokenStore

log = structlog.get_logger()
POLL_SECONDS = 5.0
BACKOFF_LAST_SECONDS = 300.0
Check = Callable[[Secret, int], Opaque]
"""Takes what is stored and the wall ns; the access token in it. Raises TokenError."""
Renew = Callable[[StoredToken], bool]
"""Blocks for a renewal of what is stored, where that is due; whether the store has a new value."""
NAP_SECONDS = 5.0
"""The watchdog is told at least this often while the agent waits."""


def check_claims(value: Secret, wall_ns: int) -> Opaque:
    """A value that is the access token itself, whose claims say when it ends. Raises TokenError."""
    return Opaque(value, check_token(value, wall_ns).expires_at_ns)


class TokenAgent:
    """Polls the store. When anything fails, the token handed over last stays in place, and is put there again."""

    def __init__(
        self,
        store: TokenStore,
        handover: Path,
        *,
        clock: Clock,
        notifier: Notifier,
        check: Check = check_claims,
        renew: Renew | None = None,
    ) -> None:
        """`check` finds the access token in what is stored; `renew` renews that, where the broker's tokens need it."""
        self._check, self._renew = check, renew
        self._store = store
        self._handover = handover
        self._clock = clock
        self._notifier = notifier
        self._handed_over: StoredToken | None = None
        self._written: tuple[int, int, int] | None = None
        """What was handed over last, and its file, by its stat."""
        self._noted: tuple[int, int, int] | None = None
        self._refused: str | None = None
        self._failures = 0
        self._state = "no token yet"
        self._in_place = ""
        """What is said while the store holds what was handed over."""
        self._stopping = False
        self._wake = asyncio.Event()

    def look_now(self) -> None:
        """Ask the store at once; for SIGHUP."""
        self._failures = 0
        self._wake.set()

    def stop(self) -> None:
        """End the service; for SIGTERM."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Poll until stopped."""
        await self.poll()
        self._notifier.ready(self._state)
        while not self._stopping:
            await self._wait(self._delay_seconds())
            if not self._stopping:
                await self.poll()
        self._notifier.stopping("stopping")

    async def poll(self) -> None:
        """Ask the store once and hand over a new, valid token; log everything else."""
        try:
            stored = await asyncio.to_thread(self._store.read)
        except StoreError as error:
            self._failures += 1
            log.warning("token_store_failed", detail=str(error), retry_seconds=round(self._delay_seconds()))
            return
        self._failures = 0
        if stored is not None and self._renew and await asyncio.to_thread(self._renew, stored):
            await self.poll()  # what is in the store now
            return
        if stored is None:
            self._state = "no token has been stored yet"
        elif self._handed_over is None or stored[:2] != self._handed_over[:2]:  # versions may begin again at 1
            self._offer(stored)
        elif self._refused != stored.version:  # it may have been put back after another
            self._state, self._refused = self._in_place, None

    def restore(self) -> None:
        """Write the handed over file again where it is gone, or is no longer what was written."""
        found = self._find()
        if self._handed_over is None or found == self._written:
            return
        if found != self._noted:
            log.warning("handover_lost", path=str(self._handover), detail="gone or changed; it is written again")
        self._noted = found
        self._offer(self._handed_over)

    def _find(self) -> tuple[int, int, int] | None:
        try:
            return identify(self._handover)
        except OSError:
            return None

    def _offer(self, stored: StoredToken) -> None:
        register_secret(stored.value)
        try:
            access = self._check(stored.value, self._clock.wall_ns())
        except TokenError as error:
            # Judged anew at each poll, for the clock may have been wrong; said once.
            if stored.version != self._refused:
                log.error("token_refused", version=stored.version, detail=str(error))
            self._refused = stored.version
            self._state = f"refused {stored.version}"
            return
        try:
            write_handover(self._handover, Token(access.token, stored.version, *access[1:]))
        except HarvesterError as error:
            log.error("token_not_handed_over", version=stored.version, detail=str(error))
            return
        self._handed_over, self._refused = stored, None
        self._written = self._noted = self._find()
        expires = to_local(access.expires_at_ns)
        self._state = self._in_place = f"handed over {stored.version}, good until {expires:%Y-%m-%d %H:%M %Z}"
        log.info("token_handed_over", version=stored.version, expires=expires.isoformat())

    def _delay_seconds(self) -> float:
        if not self._failures:
            return POLL_SECONDS
        backoff = POLL_SECONDS * 2.0 ** min(self._failures - 1, 10)
        return min(BACKOFF_LAST_SECONDS, backoff) * random.uniform(0.75, 1.25)

    async def _wait(self, seconds: float) -> None:
        """Sleep in steps of at most NAP_SECONDS, and notify the watchdog at each."""
        until_ns = self._clock.mono_ns() + int(seconds * NS_PER_SECOND)
        while not self._wake.is_set() and (left_ns := until_ns - self._clock.mono_ns()) > 0:
            self._notifier.alive(self._state)
            self.restore()
            try:
                await asyncio.wait_for(self._wake.wait(), min(NAP_SECONDS, left_ns / NS_PER_SECOND))
            except TimeoutError:
                continue
        self._wake.clear()
