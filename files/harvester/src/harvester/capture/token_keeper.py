"""The recorder's side of the token: adopts what the agent hands over, and has it proven before it is needed."""

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.monitors import ClockMonitor
from harvester.brokers.fyers.access import Gate
from harvester.brokers.fyers.poll_result import PolledFeed
from harvester.capture.sink import Capture
from harvester.tokens.handover import HandoverReader

log = structlog.get_logger()
PROVE_AHEAD_NS = 600 * NS_PER_SECOND


class TokenKeeper:
    """Looks at the handover file in every turn of the loop; times are wall ns."""

    def __init__(
        self,
        reader: HandoverReader,
        *,
        gate: Gate,
        feed: PolledFeed,
        capture: Capture,
        watch: ClockMonitor,
        clock: Clock,
    ) -> None:
        self.problem = ""
        self._reader = reader
        self._gate = gate
        self._feed = feed
        self._capture = capture
        self._watch = watch
        self._clock = clock
        self._proven_for: int | None = None

    def adopt_new(self) -> bool:
        """Adopt a token that was handed over since the last look; True when there was one."""
        try:
            token = self._reader.read_new()
        except HarvesterError as error:
            self.problem = str(error)
            log.error("token_not_adopted", detail=self.problem)
            return False
        if token is None:
            return False
        self.problem = ""
        self._gate.adopt(token)
        self._capture.write({"type": "token", "version": token.version, "expires_at_ns": token.expires_at_ns})
        log.info("token_adopted", version=token.version)
        return True

    def is_proof_due(self, opens_ns: int | None, wall_ns: int) -> bool:
        """Once for each opening, some minutes ahead, while a person can still log in."""
        due = opens_ns is not None and opens_ns - wall_ns <= PROVE_AHEAD_NS and opens_ns != self._proven_for
        if due:
            self._proven_for = opens_ns
        return due

    async def prove(self) -> None:
        """Ask the broker for what only a living token gets; a token that looks well may be dead over there."""
        token = self._gate.token
        if token is None or self._gate.refuse(self._clock.wall_ns(), self._clock.mono_ns()):
            return
        arrival = await self._feed.prove_token(token.access_token)
        self._watch.compare(arrival.server_date_ns, arrival.wall_ns)
        self._gate.learn(arrival, token)
        if arrival.cause is None:
            log.info("token_proven", version=token.version)
        else:
            log.warning("token_not_proven", version=token.version, cause=arrival.cause, detail=arrival.detail)
