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
from harvester.base.errors import HarvesterError
from harvester.base.logs import configure_logs
from harvester.base.market import to_local
from harvester.base.release import release_id
from harvester.base.systemd import Notifier
from harvester.brokers.access import Access
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.fyers.socket_lookup import SocketLookup
from harvester.brokers.fyers.sources import HsmSource, TbtSource
from harvester.brokers.fyers.symbol_lookup import SymbolLookup
from harvester.brokers.protocol import PollResult, StreamSource
from harvester.brokers.rest import RestClient
from harvester.brokers.schwab.rest import SchwabRestClient
from harvester.brokers.schwab.streamer import ChartSource, StreamerLookup
from harvester.brokers.schwab.symbol_lookup import SchwabLookup
from harvester.calendar import TradingCalendar
from harvester.calendar.reload import CalendarReloader
from harvester.capture.candles import CandleFeed
from harvester.capture.context import RecorderContext
from harvester.capture.memory import MemoryKeeper
from harvester.capture.polls import PollFeed
from harvester.capture.publisher import StatusPublisher
from harvester.capture.reassignment import Reassignment
from harvester.capture.recorder import Recorder
from harvester.capture.segments import part_id
from harvester.capture.sink import JournalSink
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.feed import StreamFeed
from harvester.capture.token_keeper import TokenKeeper
from harvester.commands.rest_clients import make_candles, make_client
from harvester.config.feeds import STREAM
from harvester.config.file import config_hash, load_settings, settings_path
from harvester.config.rules import read_resolved
from harvester.config.segments import Recorded, refuse_without_hours
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_HSM, RunInfo
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger

log = structlog.get_logger()
THREADS = 4
Observer = Callable[[PollResult], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--foreground", action="store_true", help="print each poll to the terminal with --debug")


def run(args: argparse.Namespace, settings: None) -> int:
    configure_logs(debug=args.debug)
    asked = _load(args.config)
    calendar = TradingCalendar.load(asked.calendar.file)
    what = refuse_without_hours(asked, calendar)
    checked = what.settings
    info = RunInfo(
        host_id=checked.host_id,
        release=release_id(),
        config_hash=config_hash(settings_path(args.config)),
        streams=dict(enumerate(checked.symbols)),
        candles=dict(enumerate(checked.symbols_of(checked.history) if checked.history in checked.feeds else ())),
    )
    structlog.contextvars.bind_contextvars(release=info.release, run_id=info.run_id[:8])
    observer = _observer() if args.foreground and args.debug else None
    asyncio.run(_record(what, info, calendar, args.config, observer))
    return 0


def _load(option: Path | None) -> Settings:
    """The settings; rules for symbols are resolved first, where no look-up of today has done it."""
    settings = load_settings(option)
    resolved, today = read_resolved(settings.master_dir), to_local(SystemClock().wall_ns()).date().isoformat()
    if not settings.rules or (resolved and resolved.day == today and all(map(resolved.entry_of, settings.rules))):
        return settings
    try:
        ask([*_config(option), "topics"])
    except HarvesterError as error:
        if not settings.symbols:
            raise
        log.error("rules_not_resolved", detail=str(error))
    return load_settings(option)


def _config(option: Path | None) -> list[str]:
    return ["config", *(["--config", str(option)] if option else [])]


def _observer() -> Observer:
    from harvester.commands.terminal import print_result  # decodes, which the service does not

    return print_result


async def _record(
    what: Recorded, info: RunInfo, calendar: TradingCalendar, option: Path | None, observer: Observer | None
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))  # name look-ups and syncs; more threads only cost memory
    recorder, client = build_recorder(what, info, calendar, option, observer)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.stop)
    try:
        await recorder.run()
    finally:
        await client.close()


def build_recorder(
    what: Recorded, info: RunInfo, calendar: TradingCalendar, option: Path | None, observer: Observer | None
) -> tuple[Recorder, RestClient]:
    """Put the service together from its parts, for the machine's clock and the broker's feeds."""
    settings, clock, tls = what.settings, SystemClock(), ssl.create_default_context()
    client = make_client(settings, tls, clock)
    sink = JournalSink(settings, clock=clock, run=info)
    context = RecorderContext(
        settings, info, clock, client, sink, Access(settings.limits), segments=what.segments, refused=what.refused
    )
    keeper = TokenKeeper(context)
    lookup, streams = _build_lookup(context, client, option, tls)
    down_for = next((feed.down_for for feed in streams if feed.number == FYERS_HSM), None)
    polls = PollFeed(context, client, down_for=down_for, observer=observer)
    calendars = _build_reloader(context, calendar)
    candles = _build_candles(context, client, calendars)
    publisher = StatusPublisher(
        context, polls=polls, streams=streams, candles=candles, keeper=keeper, symbol_master=lookup.describe
    )
    reassignment = Reassignment(context)

    memory = MemoryKeeper()

    def after_tick(recorder: Recorder) -> None:
        publisher(recorder)
        memory.follow(is_recording=recorder.window is not None or any(feed.is_running for feed in streams))
        if lookup.is_due(recorder.next_change_ns):
            recorder.run_background(lookup.run())
        if isinstance(lookup, SchwabLookup):
            return
        if reassignment.needs_new_run(recorder, lookup.segments):
            recorder.stop()  # systemd starts it again, with every symbol in its own segment
        moved = lookup.rules and set(lookup.symbols) != {*settings.all_symbols, *what.refused}
        if moved and recorder.window is None:
            log.warning("symbols_changed", symbols=len(lookup.symbols))
            recorder.stop()  # systemd starts it again, with the symbols that the rules stand for today

    recorder = Recorder(
        context,
        feeds=[polls, *streams, *([candles] if candles else [])],
        keeper=keeper,
        notifier=Notifier(),
        calendars=calendars,
        after_tick=after_tick,
    )
    return recorder, client


def _build_lookup(
    context: RecorderContext, client: FyersRestClient | SchwabRestClient, option: Path | None, tls: ssl.SSLContext
) -> tuple[SymbolLookup | SchwabLookup, list[StreamFeed]]:
    """Where symbols are looked up, and the streamed feeds."""
    if isinstance(client, SchwabRestClient):
        listed = SchwabLookup(context.settings.all_symbols, client, context.access, context.clock)
        return listed, _build_chart(context, client, tls)
    lookup = SymbolLookup(lambda: ask([*_config(option), "topics"]), context.clock)
    return lookup, _build_streams(context, client, lookup, tls)


def _build_reloader(context: RecorderContext, calendar: TradingCalendar) -> CalendarReloader:
    """Reads the calendar file again when it changes; one without hours of a recorded segment is refused."""
    file = context.settings.calendar.file

    async def load_calendar() -> TradingCalendar:
        new = await asyncio.to_thread(TradingCalendar.load, file)
        for segment in context.recorded:
            new.of(segment)
        return new

    return CalendarReloader(calendar, file, load_calendar)


def _build_candles(
    context: RecorderContext, client: FyersRestClient | SchwabRestClient, calendars: CalendarReloader
) -> CandleFeed | None:
    """The feed of the broker's own candles, where the settings name it."""
    settings = context.settings
    if settings.history not in settings.feeds:
        return None
    return CandleFeed(context, make_candles(settings, client), lambda: calendars.calendar)


def _build_streams(
    context: RecorderContext, client: FyersRestClient, lookup: SymbolLookup, tls: ssl.SSLContext
) -> list[StreamFeed]:
    """The streamed feeds that the settings name."""
    settings, clock, access = context.settings, context.clock, context.access

    sources: dict[str, StreamSource] = {
        "fyers-hsm": HsmSource(settings.symbols_of("fyers-hsm"), settings.hsm, lookup),
        "fyers-tbt": TbtSource(settings.tbt, settings.broker.app_id, SocketLookup(client, access, clock).find),
    }
    named = [sources[name] for name in settings.feeds if name in sources]
    return [StreamFeed(_share(context, source, tls), source) for source in named]


def _build_chart(context: RecorderContext, client: SchwabRestClient, tls: ssl.SSLContext) -> list[StreamFeed]:
    """Schwab's streamer, where the settings name it."""
    settings = context.settings
    if STREAM not in settings.feeds:
        return []
    look_up = StreamerLookup(client, context.access, context.clock).find
    source = ChartSource(settings.symbols_of(STREAM), settings.chart, look_up)
    shared = _share(context, source, tls)
    shared.is_text = shared.has_heartbeats = True
    return [StreamFeed(shared, source)]


def _share(context: RecorderContext, source: StreamSource, tls: ssl.SSLContext) -> FeedContext:
    """What the connections of a feed share."""
    ledger = SegmentLedgers(
        {
            segment: StreamLedger(part_id(context.run.run_id, segment), source.number, symbols)
            for segment, symbols in context.split(source.symbols).items()
        }
    )
    access, clock = context.access, context.clock
    return FeedContext(source.number, context.sink, ledger, access, clock, tls, source.stale_ns, context.trading)
