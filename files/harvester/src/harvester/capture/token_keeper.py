"""The recorder's side of the token: adopts what the agent hands over, and proves it before it is needed."""

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.capture.context import RecorderContext
from harvester.tokens.handover import HandoverReader

log = structlog.get_logger()
PROVE_AHEAD_NS = 600 * NS_PER_SECOND


class TokenKeeper:
    """Reads the handover file when it changes. Times are wall ns."""

    def __init__(self, context: RecorderContext) -> None:
        self.problem = ""
        """Why the last token was not adopted; empty when it was."""
        self._reader = HandoverReader(context.settings.token.handover)
        self._context = context
        self._proven_for: int | None = None

    def adopt_new(self) -> bool:
        """Adopt a token that was handed over since the last call; True when there was another than before.

        An agent that starts again hands over what it finds: that is no reason to connect anew.
        """
        try:
            token = self._reader.read_new()
        except HarvesterError as error:
            self.problem = str(error)
            log.error("token_not_adopted", detail=self.problem)
            return False
        if token is None:
            return False
        self.problem = ""
        if token == self._context.access.token:
            return False
        self._context.access.adopt(token)
        self._context.sink.write({"type": "token", "version": token.version, "expires_at_ns": token.expires_at_ns})
        log.info("token_adopted", version=token.version)
        return True

    def is_proof_due(self, opens_ns: int | None, wall_ns: int) -> bool:
        """Once for each opening, some minutes ahead, while a person can still log in."""
        due = opens_ns is not None and opens_ns - wall_ns <= PROVE_AHEAD_NS and opens_ns != self._proven_for
        if due:
            self._proven_for = opens_ns
        return due

    async def prove(self) -> None:
        """Ask the broker for what it gives to a valid token only: it may have ended the token before its expiry.

        While no request may go out the doubt stays, and with the next call it is tried again.
        """
        access, clock = self._context.access, self._context.clock
        token = access.token
        if token is None or access.check_request(clock.wall_ns(), clock.mono_ns()):
            return
        self._context.trading.is_token_doubted = False
        result = await self._context.client.prove_token(token.access_token)
        self._context.watch.compare(result.server_date_ns, result.wall_ns)
        access.note_result(result, token)
        if result.outage is None:
            log.info("token_proven", version=token.version)
        else:
            log.warning("token_not_proven", version=token.version, **result.outage._asdict())
