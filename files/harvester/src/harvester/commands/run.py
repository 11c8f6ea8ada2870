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
from harvester.base.clock import SystemClock
from harvester.base.logs import configure_logs
from harvester.base.monitors import ClockMonitor
from harvester.base.release import release_id
from harvester.base.systemd import Notifier
from harvester.brokers.access import Access
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.fyers.sources import HsmSource, TbtSource
from harvester.brokers.fyers.symbol_lookup import SymbolLookup
from harvester.brokers.protocol import PollResult, StreamSource
from harvester.calendar import TradingCalendar
from harvester.calendar.reload import CalendarReloader
from harvester.capture.polls import PollFeed
from harvester.capture.publisher import StatusPublisher
from harvester.capture.recorder import Recorder
from harvester.capture.sink import JournalSink
from harvester.capture.streams.context import FeedContext, TradingState
from harvester.capture.streams.feed import StreamFeed
from harvester.capture.token_keeper import TokenKeeper
from harvester.config.settings import Settings, config_hash, load_settings, settings_path
from harvester.journal.format import FYERS_HSM, RunInfo
from harvester.ledger.streams import StreamLedger
from harvester.tokens.handover import HandoverReader, Token

THREADS = 4
Observer = Callable[[PollResult], None]


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
    from harvester.commands.terminal import print_result  # decodes, which the service does not

    return print_result


async def _record(
    settings: Settings, info: RunInfo, calendar: TradingCalendar, option: Path | None, observer: Observer | None
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))  # name look-ups and syncs; more threads only cost memory
    recorder, client = build_recorder(settings, info, calendar, option, observer)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.stop)
    try:
        await recorder.run()
    finally:
        await client.close()


def build_recorder(
    settings: Settings, info: RunInfo, calendar: TradingCalendar, option: Path | None, observer: Observer | None
) -> tuple[Recorder, FyersRestClient]:
    """Put the service together from its parts, for the machine's clock and the broker's feeds."""
    clock, watch, access = SystemClock(), ClockMonitor(), Access(settings.limits)
    trading, sink = TradingState(), JournalSink(settings, clock=clock, run=info)
    tls = ssl.create_default_context()
    client = FyersRestClient(settings.broker, timeout_seconds=settings.poll.timeout, tls=tls, clock=clock)
    lookup = SymbolLookup(lambda: ask(["config", *(["--config", str(option)] if option else []), "topics"]), clock)
    reader = HandoverReader(settings.token.handover)
    keeper = TokenKeeper(reader, access=access, client=client, sink=sink, watch=watch, clock=clock)

    async def look_up(token: Token) -> str | None:
        allowed = access.check_request(clock.wall_ns(), clock.mono_ns()) is None
        return await client.find_socket(token.access_token) if allowed else None

    def new_stream(source: StreamSource) -> StreamFeed:
        ledger = StreamLedger(info.run_id, source.number, source.symbols)
        return StreamFeed(
            FeedContext(source.number, sink, ledger, access, clock, tls, source.stale_ns, trading), source
        )

    sources: dict[str, Callable[[], StreamSource]] = {
        "fyers-hsm": lambda: HsmSource(settings.symbols_of("fyers-hsm"), settings.hsm, lookup),
        "fyers-tbt": lambda: TbtSource(settings.tbt, settings.broker.app_id, look_up),
    }
    streams = [new_stream(sources[name]()) for name in settings.feeds if name in sources]
    polls = PollFeed(
        settings,
        client,
        run=info,
        access=access,
        sink=sink,
        watch=watch,
        clock=clock,
        down_for=next((feed.down_for for feed in streams if feed.number == FYERS_HSM), None),
        observer=observer,
    )
    publisher = StatusPublisher(
        settings.status_file,
        run=info,
        clock=clock,
        sink=sink,
        polls=polls,
        streams=streams,
        access=access,
        keeper=keeper,
        watch=watch,
        unknown_symbols=lambda: lookup.unknown,
    )

    def after_tick(recorder: Recorder) -> None:
        publisher(recorder)
        if lookup.is_due(recorder.next_change_ns):
            recorder.run_background(lookup.run())

    async def load_calendar() -> TradingCalendar:
        return await asyncio.to_thread(TradingCalendar.load, settings.calendar.file)

    recorder = Recorder(
        settings,
        clock=clock,
        sink=sink,
        feeds=[polls, *streams],
        keeper=keeper,
        watch=watch,
        trading=trading,
        notifier=Notifier(),
        calendars=CalendarReloader(calendar, settings.calendar.file, load_calendar),
        after_tick=after_tick,
    )
    return recorder, client
