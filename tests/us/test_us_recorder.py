"""The recorder of the market us, put together as its service does it: it has windows, and polls no depth."""

import asyncio
from pathlib import Path

from tests.us.test_us_settings import config

from harvester.base.clock import SystemClock
from harvester.base.market import entered
from harvester.base.redaction import Secret
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.capture.streams.feed import StreamFeed
from harvester.commands.run import build_recorder
from harvester.config.segments import refuse_without_hours
from harvester.config.settings import Settings
from harvester.journal.format import RunInfo


def test_the_stream_is_a_feed_of_text_with_heartbeats_of_the_symbols_of_history(tmp_path: Path) -> None:
    async def story() -> None:
        calendar = TradingCalendar.load()
        changes = {"feeds": ["schwab-history", "schwab-stream"], "chart": {"mute_seconds": 20}}
        what = refuse_without_hours(validate(Settings, config(data_dir=str(tmp_path), **changes)), calendar)
        run = RunInfo("us1", "r1", "c0ffee", {}, dict(enumerate(what.settings.symbols)))
        recorder, client = build_recorder(what, run, calendar, None, None)
        try:
            assert [feed.name for feed in recorder.feeds] == ["fyers-rest", "schwab-stream", "schwab-history"]
            stream = recorder.feeds[1]
            assert isinstance(stream, StreamFeed) and [*stream.symbols] == ["QQQ", "BRK/B"]
            context = stream._context
            assert (context.is_text, context.has_heartbeats, context.stale_ns) == (True, True, 20 * 10**9)
            assert [*stream.ledgers] == ["us_equities"]
        finally:
            await client.close()

    with entered("us"):
        asyncio.run(story())


def test_it_is_made_with_windows_and_a_poll_of_depth_is_an_outage(tmp_path: Path) -> None:
    async def story() -> None:
        calendar = TradingCalendar.load()
        what = refuse_without_hours(validate(Settings, config(data_dir=str(tmp_path))), calendar)
        run = RunInfo("us1", "r1", "c0ffee", {}, dict(enumerate(what.settings.symbols)))
        recorder, client = build_recorder(what, run, calendar, None, None)
        try:
            assert recorder.window is None and recorder.next_due_ns is None
            assert [feed.name for feed in recorder.feeds] == ["fyers-rest", "schwab-history"]
            assert not recorder.feeds[0].symbols
            result = await client.fetch("QQQ", 7, Secret("t"))
            assert (result.symbol, result.scheduled_ns, result.status) == ("QQQ", 7, 0)
            assert result.outage is not None and result.outage.cause == "refused"
            assert result.sent_ns <= SystemClock().wall_ns()
        finally:
            await client.close()

    with entered("us"):
        asyncio.run(story())
