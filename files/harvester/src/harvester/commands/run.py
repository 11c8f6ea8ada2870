"""harvester run: put the recorder together and keep it going until SIGTERM."""

import argparse
import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor

import structlog

from harvester.capture import Capture
from harvester.clock import NS_PER_SECOND, SystemClock
from harvester.commands.terminal import print_arrival
from harvester.feeds.fyers_rest import FyersRestFeed
from harvester.gate import Gate
from harvester.journal.format import RunInfo
from harvester.logs import configure_logs
from harvester.notify import Notifier
from harvester.poller import Poller
from harvester.publisher import StatusPublisher
from harvester.recorder import Recorder
from harvester.release import release_id
from harvester.settings import Settings, config_hash, settings_path
from harvester.symbolcheck import SymbolCheck
from harvester.tokenkeeper import TokenKeeper
from harvester.tokens.handover import HandoverReader
from harvester.watches import ClockWatch

THREADS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--foreground", action="store_true", help="print each poll to the terminal with --debug")


def run(args: argparse.Namespace, settings: Settings) -> int:
    configure_logs(debug=args.debug)
    info = RunInfo(
        host_id=settings.host_id,
        release=release_id(),
        config_hash=config_hash(settings_path(args.config)),
        streams=dict(enumerate(settings.symbols)),
    )
    structlog.contextvars.bind_contextvars(release=info.release, run_id=info.run_id[:8])
    asyncio.run(_record(settings, info, show=args.foreground and args.debug))
    return 0


async def _record(settings: Settings, info: RunInfo, *, show: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))  # name look-ups and syncs; more threads only cost memory
    recorder, feed = build_recorder(settings, info, show=show)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.stop)
    try:
        await recorder.run()
    finally:
        await feed.close()


def build_recorder(settings: Settings, info: RunInfo, *, show: bool) -> tuple[Recorder, FyersRestFeed]:
    """Put the service together from its parts, for the machine's clock and the broker's REST feed."""
    clock, notifier, watch, gate = SystemClock(), Notifier(), ClockWatch(), Gate(settings.limits)
    timeout = settings.poll.timeout
    feed = FyersRestFeed(settings.broker, timeout_seconds=timeout, connections=len(settings.symbols), clock=clock)
    capture = Capture(settings, clock=clock, run=info, feed=feed.number)
    poller = Poller(
        feed,
        gate=gate,
        capture=capture,
        watch=watch,
        clock=clock,
        offsets=dict(zip(settings.symbols, settings.start_offsets(), strict=True)),
        timeout_ns=int(timeout * NS_PER_SECOND),
        observer=print_arrival if show else None,
    )
    reader = HandoverReader(settings.token.handover)
    keeper = TokenKeeper(reader, gate=gate, feed=feed, capture=capture, watch=watch, clock=clock)
    symbol_check = SymbolCheck(settings, clock)
    publisher = StatusPublisher(
        settings.status_file,
        run=info,
        clock=clock,
        capture=capture,
        poller=poller,
        gate=gate,
        keeper=keeper,
        watch=watch,
        symbol_check=symbol_check,
    )

    def after_tick(recorder: Recorder) -> None:
        publisher(recorder)
        if symbol_check.is_due(recorder.next_change_ns):
            recorder.run_background(symbol_check.run())

    recorder = Recorder(
        settings,
        clock=clock,
        capture=capture,
        poller=poller,
        keeper=keeper,
        watch=watch,
        notifier=notifier,
        after_tick=after_tick,
    )
    return recorder, feed
