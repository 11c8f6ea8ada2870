"""Asks the broker for what an order lacks, paced, and keeps each answer as it came in a journal of its own.

An answer is in the journal before it counts. A run that is killed anywhere loses what was on its way, and the next one
plans anew by what is there.
"""

import asyncio
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, Protocol

import structlog

from harvester.backfill.order import Order
from harvester.backfill.pace import Pace
from harvester.backfill.pending import spoken_for
from harvester.backfill.plan import Piece
from harvester.backfill.progress import Progress, RefusedPiece, Reporter
from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.market import to_local
from harvester.base.redaction import Secret
from harvester.brokers.access import NO_TOKEN, Access
from harvester.brokers.protocol import PollResult
from harvester.calendar import TradingCalendar
from harvester.calendar.periods import dates_due
from harvester.config.resolutions import Resolution
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_BACKFILL, BackfillAnswer, encode_backfill
from harvester.journal.writer import JournalWriter
from harvester.ledger.outage import Outage
from harvester.net.backoff import Backoff
from harvester.tokens.handover import HandoverReader, Token

log = structlog.get_logger()
DAY = timedelta(days=1)
AT_ONCE = 4
"""Requests on their way: an answer of a hundred days may take longer than the pause between two requests."""
MOST_FAILURES = 6
MOST_REFUSALS = 3
MOST_BREACHES = 2
"""The broker blocks an account for the rest of the day after more than three breaches (Fyers API docs, rate limits)."""
HOLD_NS = 10 * NS_PER_SECOND
AGAIN = "Run the same command again: it asks only for what is missing."
NO_LOGIN = "no_token", "token_refused"
TRANSIENT = "timeout", "disconnect", "server_error"


class HistoryClient(Protocol):
    """Sends one request for many days."""

    async def fetch(self, symbol: str, resolution: Resolution, first: date, last: date, token: Secret) -> PollResult:
        """Never raises for what the network or the broker does; ends within the client's timeout."""


class Tools(NamedTuple):
    """What the asking works with."""

    settings: Settings
    clock: Clock
    client: HistoryClient
    access: Access
    pace: Pace
    handover: HandoverReader
    writer: JournalWriter


class Asker:
    """Works through the pieces of one order."""

    def __init__(
        self,
        tools: Tools,
        order: Order,
        pieces: Sequence[Piece],
        calendars: Mapping[str, TradingCalendar],
        reporter: Reporter,
    ) -> None:
        """`calendars`: of each symbol."""
        self._tools = tools
        self._calendars = calendars
        self._bars = order.bars
        self._left = deque(pieces)
        self._numbers = {symbol: number for number, symbol in enumerate(order.symbols)}
        self._reporter = reporter
        self._next_mono_ns = 0
        self._backoff = Backoff()
        self._refusals = 0
        """Answers without data, one after the other."""
        self._breaches = 0
        self._today = to_local(tools.clock.wall_ns()).date()
        """The day in India of which `progress.sent_today` is."""
        self._avoids_session = False
        """Set by a breach in a session: the rest waits until it is over."""
        self.progress.left = len(self._left)

    @property
    def progress(self) -> Progress:
        return self._reporter.progress

    async def run(self) -> None:
        """Ask for every piece. Raises HarvesterError where it cannot go on; what came until then is kept."""
        flying: set[asyncio.Task[None]] = set()
        try:
            while self._left or flying:
                if self._left and len(flying) < AT_ONCE:
                    token = await self._turn()
                    if self._left:  # an answer may have taken its symbol's pieces away meanwhile
                        flying.add(asyncio.create_task(self._ask(self._left.popleft(), token)))
                    ended = {task for task in flying if task.done()}
                else:
                    ended, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                flying -= ended
                for task in ended:
                    task.result()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    async def _turn(self) -> Token:
        """Wait until the next request may be sent, and count it as sent; the token to send it with."""
        clock, access = self._tools.clock, self._tools.access
        while True:
            self._check_disk()
            if token := self._tools.handover.read_new():
                access.adopt(token)
            wall_ns, mono_ns = clock.wall_ns(), clock.mono_ns()
            spacing = self._tools.pace.at(wall_ns)
            held = spacing.in_session and self._avoids_session
            self.progress.spacing_ns = None if held else spacing.now_ns
            if spacing.now_ns is None or held:
                await self._hold("the session leaves no room for it in the broker's limits")
                continue
            if mono_ns < self._next_mono_ns:
                await clock.sleep_until(self._next_mono_ns)
                continue
            self._check_day(wall_ns)
            outage = access.check_request(wall_ns, mono_ns)
            if outage is None and access.token:
                self._next_mono_ns = mono_ns + spacing.now_ns
                self.progress.sent_today += 1
                return access.token
            await self._wait_out(outage or NO_TOKEN)

    async def _wait_out(self, outage: Outage) -> None:
        """Wait for what passes by itself. Raises HarvesterError for what does not."""
        if outage.cause in NO_LOGIN:
            raise _not_logged_in(outage)
        if outage.cause == "blocked":
            raise HarvesterError(f"{outage.detail[:1].upper()}{outage.detail[1:]}. {AGAIN}")
        await self._hold(outage.detail)

    async def _hold(self, why: str) -> None:
        clock = self._tools.clock
        self.progress.state, self.progress.why = "waiting", why
        self._reporter.say(clock.wall_ns())
        await clock.sleep_until(clock.mono_ns() + HOLD_NS)
        self.progress.state, self.progress.why = "asking", ""

    def _check_day(self, wall_ns: int) -> None:
        """Begin to count anew on another day in India. Raises HarvesterError where a day's share is used up."""
        today = to_local(wall_ns).date()
        if today != self._today:
            self._today, self.progress.sent_today = today, 0
        if self.progress.sent_today >= self._tools.pace.daily():
            raise HarvesterError(
                f"{self.progress.sent_today} requests were sent today, and the sessions' own need the rest of the"
                f" broker's limit of a day. Run the same command again tomorrow: it asks only for what is missing."
            )

    def _check_disk(self) -> None:
        settings = self._tools.settings
        free = shutil.disk_usage(settings.data_dir).free
        if free < 2 * settings.disk_reserve_bytes:
            raise HarvesterError(
                f"{settings.data_dir}: the disk has {free >> 20} MiB free, and twice the recorder's reserve"
                f" ({settings.disk_reserve_bytes >> 19} MiB) must stay. Free some space there. {AGAIN}"
            )

    async def _ask(self, piece: Piece, token: Token) -> None:
        access = self._tools.access
        result = await self._tools.client.fetch(piece.symbol, self._bars, piece.first, piece.last, token.access_token)
        result = access.note_result(result, token)
        outage = result.outage
        if result.status and (outage is None or outage.cause not in (*NO_LOGIN, *TRANSIENT, "rate_limited", "blocked")):
            self._keep(piece, result)
        if outage is None:
            self._backoff.succeed()
            self._refusals = 0
            self._ask_for_the_rest(piece, result)
        else:
            self._judge(piece, outage)
        self.progress.left = len(self._left)
        self._reporter.say(result.wall_ns)

    def _ask_for_the_rest(self, piece: Piece, result: PollResult) -> None:
        """What the answer does not speak for, at either end, is the next to be asked for."""
        first, last = spoken_for(self._said(piece, result))
        calendar, bars = self._calendars[piece.symbol], self._bars
        for since, until in ((last + DAY, piece.last), (piece.first, first - DAY)):
            if missing := list(dates_due(calendar, bars.name, since, until)):
                self._left.appendleft(Piece(piece.symbol, missing[0], until))

    def _said(self, piece: Piece, result: PollResult) -> BackfillAnswer:
        return BackfillAnswer(result.sent_ns, result.status, piece.first, piece.last, self._bars.name, result.body)

    def _keep(self, piece: Piece, result: PollResult) -> None:
        """Into the journal, as it came. Raises JournalError."""
        number, payload = self._numbers[piece.symbol], encode_backfill(self._said(piece, result))
        self._tools.writer.append(FYERS_BACKFILL, number, payload, wall_ns=result.wall_ns, mono_ns=result.mono_ns)
        self.progress.asked += 1
        self.progress.bytes += len(result.body)

    def _judge(self, piece: Piece, outage: Outage) -> None:
        """What no data means for the piece, and for the rest. Raises HarvesterError where nothing can go on."""
        log.warning("backfill_refused", symbol=piece.symbol, first=piece.first, last=piece.last, **outage._asdict())
        if outage.cause in NO_LOGIN:
            raise _not_logged_in(outage)
        if outage.cause in ("rate_limited", "blocked"):
            self._left.appendleft(piece)
            self._note_breach(outage)
        elif outage.cause in TRANSIENT:
            self._left.appendleft(piece)
            self._note_failure(outage)
        else:
            self._refuse(piece, outage)

    def _note_breach(self, outage: Outage) -> None:
        self._breaches += 1
        self._avoids_session = True
        if self._breaches > MOST_BREACHES or outage.cause == "blocked":
            raise HarvesterError(
                f"The broker says that its limit is passed ({outage.detail}), {self._breaches} times in this run; after"
                " more than three of a minute it blocks the account for the day, so nothing more is asked now. Does"
                f" anything else use the account? {AGAIN}"
            )

    def _note_failure(self, outage: Outage) -> None:
        if self._backoff.failures >= MOST_FAILURES:
            raise HarvesterError(f"{outage.detail}, {MOST_FAILURES + 1} times in a row. {AGAIN}")
        pause_ns = int(self._backoff.fail(outage.cause) * NS_PER_SECOND)
        self._next_mono_ns = max(self._next_mono_ns, self._tools.clock.mono_ns() + pause_ns)

    def _refuse(self, piece: Piece, outage: Outage) -> None:
        """The broker answered, and not with data: the symbol, where it does not know or give it, or these days."""
        self._refusals += 1
        last = piece.last
        if outage.cause in ("not_listed", "refused"):
            mine = [each for each in self._left if each.symbol == piece.symbol]
            last = max((each.last for each in mine), default=last)
            self._left = deque(each for each in self._left if each.symbol != piece.symbol)
        why = f"{outage.cause}: {outage.detail}"
        self._reporter.refuse(RefusedPiece(piece.symbol, str(piece.first), str(last), why))
        if self._refusals >= MOST_REFUSALS and outage.cause != "not_listed":
            raise HarvesterError(
                f"The broker has answered {self._refusals} requests in a row without data, the last for {piece.symbol}"
                f" from {piece.first} to {piece.last}: {outage.detail}. Nothing more is asked until somebody has"
                " looked. Is the app's permission for market data still there (the broker's API dashboard)?"
            )


def _not_logged_in(outage: Outage) -> HarvesterError:
    said = outage.detail if outage.cause == "no_token" else f"the broker refuses the token: {outage.detail}"
    return HarvesterError(f"{said[:1].upper()}{said[1:]}. Log in (./inv token-push). {AGAIN}")
