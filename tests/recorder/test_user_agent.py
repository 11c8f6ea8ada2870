"""Whoever runs the broker's servers can tell our requests from others: firewalls refuse nameless and stock clients."""

import asyncio
import ssl
from datetime import date
from pathlib import Path

import pytest
from tests.recorder.fakes import APP_ID
from tests.recorder.sockets import SocketBroker

from harvester.base.clock import SystemClock
from harvester.base.redaction import Secret
from harvester.base.release import USER_AGENT, release_id
from harvester.brokers.fyers.master_download import download_symbols
from harvester.brokers.fyers.masters import KeptMasters
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.config.broker import BrokerSettings
from harvester.ledger.outage import Outage
from harvester.net.websocket import Handlers, WebSocket, connect
from harvester.tokens.web import ask

TOKEN = Secret("header.payload.signature")
SYMBOLS = ("NSE:SBIN-EQ", "NSE:NIFTY50-INDEX")


def test_it_names_us_and_the_release() -> None:
    assert f"harvester/{release_id()}" == USER_AGENT


@pytest.mark.usefixtures("trusted")
def test_every_call_carries_it(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    tls = ssl.create_default_context()

    async def call(broker: SocketBroker) -> None:
        settings = BrokerSettings(APP_ID, broker.url, broker.url)
        client = FyersRestClient(settings, timeout_seconds=5.0, tls=tls, clock=SystemClock())
        await client.fetch(SYMBOLS[0], 7, TOKEN)
        await client.prove_token(TOKEN)
        await client.find_socket(TOKEN)
        await client.close()
        await download_symbols(SYMBOLS, broker.url, KeptMasters(tmp_path / "masters"), date(2026, 11, 24))
        await asyncio.to_thread(ask, "POST", f"{broker.url}/login", json_body={})
        await asyncio.to_thread(ask, "GET", f"{broker.url}/again", headers={"authorization": "x:y"})
        for path in ("/hsm", "/tbt"):
            handlers = Handlers(lambda *_: True, lambda *_: True, lambda _: None, lambda _: None, lambda: None)
            socket = WebSocket(handlers)
            await connect(socket, broker.url_of(path), {"authorization": "x:y"}, tls)
            socket.end(Outage("stopped", "the test is over"))

    async def play() -> set[tuple[str, str]]:
        async with SocketBroker(certificate) as broker:
            await call(broker)
            return broker.agents

    agents = asyncio.run(play())

    assert {agent for _, agent in agents} == {USER_AGENT}
    assert {path for path, _ in agents} == {
        "/data/depth", "/api/v3/profile", "/indus/home/tbtws", "/sym_details/NSE_CM.csv",
            "/sym_details/NSE_FO.csv", "/sym_details/BSE_FO.csv",
        "/sym_details/index_hsm_mapping.json", "/login", "/again", "/hsm", "/tbt",
    }  # fmt: skip
