"""The asking as a whole: what is left of the order, the journal, the connection, and how far it is, until it ends."""

import asyncio
import signal
import ssl

from harvester.backfill.ask import Asker, Tools
from harvester.backfill.known import answered_days, merge_days, waiting_days
from harvester.backfill.order import Order, first_day_asked, journal_of
from harvester.backfill.pace import Pace
from harvester.backfill.plan import Piece, calendars_of, plan
from harvester.backfill.progress import Progress, Reporter, load_progress, sent_before
from harvester.base.clock import Clock
from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory
from harvester.base.release import release_id
from harvester.brokers.access import Access
from harvester.brokers.fyers.candles import FyersHistory
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.journal.format import RunInfo
from harvester.journal.recovery import recover
from harvester.journal.writer import JournalWriter
from harvester.tokens.handover import HandoverReader

TIMEOUT_SECONDS = 30.0
"""A hundred days are a longer answer than a poll's."""
SEGMENT_SECONDS = 3600


def what_is_left(settings: Settings, order: Order, calendar: TradingCalendar) -> list[Piece]:
    """The requests that the order still takes. Raises HarvesterError for a lake or a journal that cannot be read."""
    calendars = calendars_of(settings, calendar, order.symbols)
    lake, host, bars = settings.lake_dir, settings.host_id, order.bars
    known = (
        answered_days(lake, host, first_day_asked(order), order.until, bars.name),
        waiting_days(journal_of(settings.data_dir), lake, host, bars, calendars),
    )
    return plan(order, calendars, merge_days(known))


def ask(settings: Settings, order: Order, calendar: TradingCalendar, config_hash: str, clock: Clock) -> Progress:
    """Ask for all that is left of an order. Raises HarvesterError where that does not end well; what came is kept."""
    make_directory(journal_of(settings.data_dir))
    recover(journal_of(settings.data_dir), clock=clock)
    pieces = what_is_left(settings, order, calendar)
    wall_ns = clock.wall_ns()
    sent = sent_before(load_progress(settings.data_dir), wall_ns)
    progress = Progress(ordered_ns=order.ordered_ns, began_ns=wall_ns, left=len(pieces), sent_today=sent)
    reporter = Reporter(settings.data_dir, progress)
    reporter.say(wall_ns, at_once=True)
    try:
        if pieces:
            asyncio.run(_work(settings, order, calendar, pieces, reporter, config_hash, clock))
        progress.state = "done"
    except BaseException as error:
        progress.state, progress.why = "ended", str(error) or type(error).__name__
        raise
    finally:
        reporter.say(clock.wall_ns(), at_once=True)
    return progress


async def _work(
    settings: Settings,
    order: Order,
    calendar: TradingCalendar,
    pieces: list[Piece],
    reporter: Reporter,
    config_hash: str,
    clock: Clock,
) -> None:
    tls = ssl.create_default_context()
    client = FyersRestClient(settings.broker, timeout_seconds=TIMEOUT_SECONDS, tls=tls, clock=clock)
    pace = Pace(settings, calendar)
    run = RunInfo(settings.host_id, release_id(), config_hash, {}, dict(enumerate(order.symbols)))
    try:
        folder = journal_of(settings.data_dir)
        with JournalWriter(folder, clock=clock, run=run, segment_seconds=SEGMENT_SECONDS) as writer:
            tools = Tools(
                settings,
                clock,
                FyersHistory(client),
                Access(settings.limits._replace(per_day=pace.daily())),
                pace,
                HandoverReader(settings.token.handover),
                writer,
            )
            await run_until_stopped(tools, order, calendar, pieces, reporter)
    finally:
        await client.close()


async def run_until_stopped(
    tools: Tools, order: Order, calendar: TradingCalendar, pieces: list[Piece], reporter: Reporter
) -> None:
    """Ask, and end at SIGTERM or SIGINT with a sentence: what came is kept."""
    calendars = calendars_of(tools.settings, calendar, order.symbols)
    asking = asyncio.ensure_future(Asker(tools, order, pieces, calendars, reporter).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asking.cancel)
    try:
        await asking
    except asyncio.CancelledError:
        raise HarvesterError("It was stopped. Run the same command again: it asks only for what is missing.") from None
