"""Closes a connection from our side so that nothing that was on its way is lost unnoticed."""

import asyncio
from time import monotonic_ns, time_ns

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.ledger.outage import Outage
from harvester.ledger.streams import Tail
from harvester.net.websocket import WebSocket

QUIET_NS, DRAIN_NS = 2 * NS_PER_SECOND, 8 * NS_PER_SECOND
"""Longest silence of the server during the close, and longest close."""
PROMPT_NS = 250 * NS_PER_MS
"""A ping answered within this time shows that next to nothing waits on the server's side."""
LOOK_SECONDS = 0.02
CLOSED = Outage("stopped", "closed by the recorder")
UNANSWERED = Outage("mute", "the connection was closed, and the server did not say that nothing was on its way")
BEHIND = Outage("slow_consumer", "the connection was closed before all was read")


async def close_gracefully(socket: WebSocket) -> Tail | None:
    """Ping until the answer is prompt, send a Close frame, and take all that the server sends before its own.

    Returns up to when everything that the server sent is here, and why not beyond; None for a connection that had
    ended by itself.
    """
    if socket.is_over:
        return None
    began_ns = monotonic_ns()
    while socket.answers_pings and _may_wait(socket, began_ns):
        if await _round_trip(socket, began_ns) < PROMPT_NS:
            break
    socket.send_close()
    while _may_wait(socket, began_ns):
        await asyncio.sleep(LOOK_SECONDS)
    is_flowing = not socket.is_over and monotonic_ns() - began_ns >= DRAIN_NS
    socket.end(CLOSED)
    if not is_flowing:
        return Tail(socket.whole_ns, UNANSWERED)
    # Data still flows after DRAIN_NS: all is read up to the last answered ping, else up to the last message.
    return Tail(socket.proven_ns if socket.answers_pings else socket.last_wall_ns, BEHIND)


async def _round_trip(socket: WebSocket, began_ns: int) -> int:
    """How long a ping took, in ns: the answer comes behind all that the server had queued for us."""
    asked_ns, asked_wall_ns = monotonic_ns(), time_ns()
    socket.ping()
    while socket.proven_ns < asked_wall_ns and _may_wait(socket, began_ns):
        await asyncio.sleep(LOOK_SECONDS)
    return monotonic_ns() - asked_ns


def _may_wait(socket: WebSocket, began_ns: int) -> bool:
    """Whether a close that began at `began_ns` (monotonic) should still wait for the server."""
    now = monotonic_ns()
    is_quiet = now - max(began_ns, socket.heard_mono_ns) >= QUIET_NS
    return not socket.is_over and not is_quiet and now - began_ns < DRAIN_NS
