"""harvester token-agent: keep the recorder supplied with the newest access token."""

import argparse
import asyncio
import signal

from harvester.base.clock import SystemClock
from harvester.base.logs import configure_logs
from harvester.base.systemd import Notifier
from harvester.config.settings import Settings
from harvester.tokens.agent import TokenAgent
from harvester.tokens.places import open_place
from harvester.tokens.stores import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "SIGHUP makes it look for a new token at once."


def run(args: argparse.Namespace, settings: Settings) -> int:
    configure_logs(debug=args.debug)
    asyncio.run(_serve(settings))
    return 0


def _make_agent(settings: Settings, store: Store) -> TokenAgent:
    clock, handover, token = SystemClock(), settings.token.handover, settings.token
    if settings.market != "us":
        return TokenAgent(store, handover, clock=clock, notifier=Notifier())
    from harvester.tokens.schwab_file import check_access
    from harvester.tokens.schwab_renewal import SchwabRenewer

    secret = open_place(token.renew.app_secret, token.region)
    renewer = SchwabRenewer(store, secret, settings.broker.app_id, settings.broker.url, clock)
    return TokenAgent(store, handover, clock=clock, notifier=Notifier(), check=check_access, renew=renewer.renew)


async def _serve(settings: Settings) -> None:
    store = open_place(settings.token.place, settings.token.region)
    agent = _make_agent(settings, store)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, agent.look_now)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    await agent.run()
