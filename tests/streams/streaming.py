"""A recorder of sockets taken through a story, and its journal afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.recorder.sockets import SocketBroker
from tests.service.process import Service, serving
from tests.streams.audit import Audit, Connection

from harvester.net.websocket import STAMP

SBIN = "NSE:SBIN-EQ"
INDEX = "NSE:NIFTY50-INDEX"
HSM: dict[str, Any] = {
    "feeds": ["fyers-hsm"],
    "hsm": lambda url: {"url": url.replace("https", "wss") + "/hsm", "mute_seconds": 2.0},
}
BOTH = HSM | {"feeds": ["fyers-hsm", "fyers-tbt"], "tbt": {"symbols": [SBIN]}}
Story = Callable[[Service, SocketBroker], Awaitable[None]]


def record(
    tmp_path: Path, certificate: tuple[Path, Path], story: Story, broker: SocketBroker | None = None, **options: Any
) -> tuple[Audit, SocketBroker]:
    """Run the service through a story and stop it, in a session that outlasts the story on any machine."""
    broker = broker or SocketBroker(certificate)
    options = {"seconds": 600, **options}

    async def play() -> None:
        async with serving(tmp_path, certificate, broker=broker, **options) as service:
            await story(service, broker)
            if service.process.returncode is None:
                code, _ = await service.end()
                assert code == 0

    asyncio.run(play())
    return Audit(tmp_path / "data" / "journal"), broker


def seen_until(connection: Connection, pings: list[bytes], began_ns: int) -> bool:
    """Whether a gap that began then begins with what the connection saw last: a message, or a later ping's sending.

    All that the server had sent before it answered a ping has come, and a ping says when it was sent.
    """
    last_ns = connection.messages[-1][0]
    return began_ns in {last_ns, *(sent_ns for ping in pings for sent_ns in STAMP.unpack(ping) if sent_ns > last_ns)}


def covered(feed: str = "fyers-hsm") -> str:
    """All connections of the feed are up and nothing is missing."""
    connections = f"status['feeds']['{feed}']['connections']"
    return f"{connections} and all(one['missing'] == 0 for one in {connections}) and not status['open_gaps']"


async def take_in(service: Service, feed: str = "fyers-hsm", updates: int = 5) -> None:
    """Until some more updates of SBIN have come."""
    now = service.status["symbols"][SBIN]["feeds"][feed]["updates"]
    await service.wait_for(f"status['symbols']['{SBIN}']['feeds']['{feed}']['updates'] > {now + updates}")


def snapshot_of(connection: Connection) -> int:
    """Wall ns of the message with the snapshots, which our server sends all at once."""
    return next(wall for wall, payload in connection.messages if len(payload) > 9 and payload[2] == 6)
