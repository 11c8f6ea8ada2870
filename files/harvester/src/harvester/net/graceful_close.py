"""Ending a connection on our own account, so that nothing that was on its way is lost unseen."""

import asyncio
from time import monotonic_ns, time_ns

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.ledger.streams import Reason, Tail
from harvester.net.websocket import Link

QUIET_NS, DRAIN_NS = 2 * NS_PER_SECOND, 8 * NS_PER_SECOND
"""For how long nothing may come meanwhile, and for how long anything may."""
PROMPT_NS = 250 * NS_PER_MS
"""When a ping is answered so soon, nothing of account waits on the server's side."""
LOOK_SECONDS = 0.02
UNANSWERED = Reason("mute", "the connection was closed, and the server did not say that nothing was on its way")
BEHIND = Reason("slow_consumer", "the connection was closed before all was read")


async def hang_up(link: Link) -> Tail | None:
    """Catch up, say goodbye, and take all that the server sends until it says so, too.

    Up to when all is here that it sent, and why not beyond; None for a connection that had ended by itself.
    """
    if link.is_over:
        return None
    began_ns = monotonic_ns()
    while link.answers_pings and _may_wait(link, began_ns):
        if await _round_trip(link, began_ns) < PROMPT_NS:
            break
    link.say_goodbye()
    while _may_wait(link, began_ns):
        await asyncio.sleep(LOOK_SECONDS)
    is_flowing = not link.is_over and monotonic_ns() - began_ns >= DRAIN_NS
    link.end("stopped", "closed by the recorder")
    if not is_flowing:
        return Tail(link.whole_ns, UNANSWERED)
    # Who answers no ping, and does not stop at a goodbye, leaves it unknown how far behind we are.
    return Tail(link.proven_ns if link.answers_pings else link.last_wall_ns, BEHIND)


async def _round_trip(link: Link, began_ns: int) -> int:
    """How long a ping took, in ns: a server that has more for us than we have read answers late."""
    asked_ns, asked_wall_ns = monotonic_ns(), time_ns()
    link.ping()
    while link.proven_ns < asked_wall_ns and _may_wait(link, began_ns):
        await asyncio.sleep(LOOK_SECONDS)
    return monotonic_ns() - asked_ns


def _may_wait(link: Link, began_ns: int) -> bool:
    """Whether a connection that is being ended since then may still bring something."""
    now = monotonic_ns()
    return not link.is_over and now - max(began_ns, link.heard_mono_ns) < QUIET_NS and now - began_ns < DRAIN_NS
