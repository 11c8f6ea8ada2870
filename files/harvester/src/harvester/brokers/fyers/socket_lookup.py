"""Asks the broker where its 50-level socket is; the answer counts like that of a poll."""

from harvester.base.clock import Clock
from harvester.brokers.access import Access
from harvester.brokers.fyers.responses import read_socket_url
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.ledger.outage import Outage
from harvester.net.websocket import ConnectionEnded
from harvester.tokens.handover import Token


class SocketLookup:
    """One look-up for each attempt to connect: the answer may hold another address each time."""

    def __init__(self, client: FyersRestClient, access: Access, clock: Clock) -> None:
        self._client = client
        self._access = access
        self._clock = clock

    async def find(self, token: Token) -> str:
        """The socket's address. Raises ConnectionEnded with the outage that the limits, or the answer, make."""
        outage = self._access.check_limits(self._clock.wall_ns(), self._clock.mono_ns())
        if outage:
            raise ConnectionEnded(outage)
        result = self._access.note_result(await self._client.find_socket(token.access_token), token)
        if result.outage:
            cause, detail = result.outage
            outage = Outage(cause, f"look-up of the 50-level socket: {detail}")
            raise ConnectionEnded(outage, about_token=cause == "refused")
        return read_socket_url(result.body) or ""
