"""Whether the broker's data socket lets a token in: a real authentication, then a graceful close."""

import asyncio
import ssl
from typing import Any

from harvester.base.redaction import Secret
from harvester.brokers.fyers import hsm
from harvester.brokers.fyers.hsm_wire import AUTH, Reply, auth, read_reply
from harvester.brokers.protocol import REPLY_SECONDS
from harvester.ledger.outage import Outage
from harvester.net.graceful_close import close_gracefully
from harvester.net.websocket import ConnectionEnded, Handlers, WebSocket, connect
from harvester.tokens.claims import read_hsm_key
from harvester.tokens.login import AGAIN, LoginError


def check(token: Secret, url: str | None = None) -> str:
    """Authenticate at the data socket; what to tell the person: empty when it let us in.

    A socket that cannot be reached says nothing about the token, so that is told and no error. Raises LoginError when
    the server refuses, TokenError for a token without the claim that the socket asks for.
    """
    key = read_hsm_key(token)
    try:
        reply = asyncio.run(_authenticate(key, url or hsm.URL))
    except ConnectionEnded as ended:
        if ended.about_token:
            raise _refused(ended.outage.detail) from None
        return f"The data socket could not be asked from here ({ended.outage.detail}); the hosts will see."
    if not reply.accepted:
        raise _refused("its answer to authentication is no")
    return ""


async def _authenticate(key: str, url: str) -> Reply:
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def scan(message: bytes, _: int) -> bool:
        reply = read_reply(message)
        if reply.type == AUTH and not answered.done():
            answered.set_result(reply)
        return False

    nothing = Handlers(
        record=lambda *_: True, scan=scan, text=lambda _: None, oversize=lambda _: None, opened=lambda: None
    )
    socket = WebSocket(nothing)
    await connect(socket, url, {}, ssl.create_default_context())
    socket.send(auth(key))
    over: asyncio.Future[Any] = asyncio.ensure_future(socket.wait_over())
    try:
        await asyncio.wait({answered, over}, timeout=REPLY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            reply: Reply = answered.result()
            return reply
        silence = ConnectionEnded(Outage("timeout", f"no answer within {REPLY_SECONDS:g} s"))
        raise over.result() if over.done() else silence
    finally:
        await close_gracefully(socket)
        over.cancel()


def _refused(detail: str) -> LoginError:
    return LoginError(f"The data socket refuses the token ({detail}); nothing is stored. {AGAIN}")
