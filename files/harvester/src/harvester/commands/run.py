"""harvester run: put the recorder together and keep it going until SIGTERM."""

import argparse
import asyncio
import signal
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from harvester.base.child import ask
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.logs import configure_logs
from harvester.base.monitors import ClockMonitor
from harvester.base.release import release_id
from harvester.base.systemd import Notifier
from harvester.brokers.fyers.access import Gate
from harvester.brokers.fyers.poll_result import Arrival
from harvester.brokers.fyers.rest import FyersRestFeed
from harvester.calendar import TradingCalendar
from harvester.calendar.reload import CalendarReloader
from harvester.capture.polls.poller import Poller
from harvester.capture.publisher import StatusPublisher
from harvester.capture.recorder import Recorder
from harvester.capture.sink import Capture
from harvester.capture.streams.build import Assembly
from harvester.capture.streams.trading_state import SessionWatch
from harvester.capture.symbol_master import SymbolBook
from harvester.capture.token_keeper import TokenKeeper
from harvester.config.settings import Settings, config_hash, load_settings, settings_path
from harvester.journal.format import RunInfo
from harvester.tokens.handover import HandoverReader

THREADS = 4
Observer = Callable[[Arrival], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--foreground", action="store_true", help="print each poll to the terminal with --debug")


def run(args: argparse.Namespace, settings: None) -> int:
    configure_logs(debug=args.debug)
    checked = load_settings(args.config)
    calendar = TradingCalendar.load(checked.calendar.file)
    info = RunInfo(
        host_id=checked.host_id,
        release=release_id(),
        config_hash=config_hash(settings_path(args.config)),
        streams=dict(enumerate(checked.symbols)),
    )
    structlog.contextvars.bind_contextvars(release=info.release, run_id=info.run_id[:8])
    observer = _observer() if args.foreground and args.debug else None
    asyncio.run(_record(checked, info, calendar, args.config, observer))
    return 0


def _observer() -> Observer:
    from harvester.commands.terminal import print_arrival  # decodes, which the service does not

    return print_arrival


async def _record(
    settings: Settings, info: RunInfo, calendar: TradingCalendar, option: Path | None, observer: Observer | None
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))  # name look-ups and syncs; more threads only cost memory
    recorder, feed = build_recorder(settings, info, calendar, option, observer)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.stop)
    try:
        await recorder.run()
    finally:
        await feed.close()


def build_recorder(
    settings: Settings, info: RunInfo, calendar: TradingCalendar, option: Path | None, observer: Observer | None
) -> tuple[Recorder, FyersRestFeed]:
    """Put the service together from its parts, for the machine's clock and the broker's feeds."""
    clock, notifier, watch, gate = SystemClock(), Notifier(), ClockMonitor(), Gate(settings.limits)
    timeout, tls = settings.poll.timeout, ssl.create_default_context()
    feed = FyersRestFeed(settings.broker, timeout_seconds=timeout, tls=tls, clock=clock)
    capture = Capture(settings, clock=clock, run=info, feed=feed.number)
    poller = Poller(
        feed,
        gate=gate,
        capture=capture,
        watch=watch,
        clock=clock,
        offsets=dict(zip(settings.symbols, settings.poll_offsets(), strict=False)),
        timeout_ns=int(timeout * NS_PER_SECOND),
        observer=observer,
    )
    reader = HandoverReader(settings.token.handover)
    keeper = TokenKeeper(reader, gate=gate, feed=feed, capture=capture, watch=watch, clock=clock)
    book = SymbolBook(lambda: ask(["config", *(["--config", str(option)] if option else []), "topics"]), clock)
    session = SessionWatch(clock)
    streams = Assembly(
        settings,
        clock=clock,
        capture=capture,
        gate=gate,
        rest=feed,
        book=book,
        tls=tls,
        run_id=info.run_id,
        session=session,
    ).feeds()
    publisher = StatusPublisher(
        settings.status_file,
        run=info,
        clock=clock,
        capture=capture,
        poller=poller,
        gate=gate,
        keeper=keeper,
        watch=watch,
        book=book,
    )

    def after_tick(recorder: Recorder) -> None:
        publisher(recorder)
        if book.is_due(recorder.next_change_ns):
            recorder.run_background(book.run())

    async def load_calendar() -> TradingCalendar:
        return await asyncio.to_thread(TradingCalendar.load, settings.calendar.file)

    recorder = Recorder(
        settings,
        clock=clock,
        capture=capture,
        poller=poller,
        streams=streams,
        keeper=keeper,
        watch=watch,
        session=session,
        notifier=notifier,
        calendars=CalendarReloader(calendar, settings.calendar.file, load_calendar),
        after_tick=after_tick,
    )
    return recorder, feed
