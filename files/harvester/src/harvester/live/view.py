"""The answer that the page asks for every second, as JSON data. Moments in it are ms since 1970."""

import threading
import zlib
from collections.abc import Callable
from typing import Any

from harvester.base.clock import NS_PER_MS, Clock
from harvester.base.market import in_force, to_local
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.live.day import LiveDay, Point
from harvester.live.due_table import DueTable
from harvester.live.ladders import Ladder
from harvester.live.recorder import RecorderNews

LOOK_SECONDS = 0.25
"""A look takes so long at most, and comes so often: a page that asks meanwhile waits for its end."""
MOST_ROWS = 40
"""Symbols that the list shows at once."""
NO_SYMBOL = "No symbol is recorded yet: what the rules stand for is looked up before the session."


class LiveView:
    """Follows journal and status in `follow`, and answers from any thread."""

    def __init__(
        self, settings: Settings, calendar: Callable[[], TradingCalendar], dues: DueTable, clock: Clock
    ) -> None:
        """`calendar` reads the calendar anew, each day."""
        self._settings, self._calendar, self._dues, self._clock = settings, calendar, dues, clock
        self._lock = threading.Lock()
        self._news = RecorderNews(settings.status_file)
        self._day = self._begin()
        self._problem, self._is_whole = "", False

    def _begin(self) -> LiveDay:
        calendar = self._calendar()
        return LiveDay(self._settings, calendar, calendar.trading_date(self._clock.wall_ns()))

    def follow(self, stop: threading.Event) -> None:
        """Read on until `stop` is set."""
        while not stop.is_set():
            if self.turn():
                stop.wait(LOOK_SECONDS)

    def turn(self) -> bool:
        """One look; whether nothing more is to be read now."""
        with self._lock:
            if to_local(self._clock.wall_ns()).date() != self._day.date:
                self._day = self._begin()
            self._news.look(self._clock.wall_ns())
            try:
                self._is_whole, self._problem = self._day.look(LOOK_SECONDS), ""
            except OSError as error:
                self._is_whole, self._problem = True, f"{error.filename}: cannot be read ({error.strerror})"
            return self._is_whole

    def answer(self, symbol: str, like: str, have: str) -> dict[str, Any]:
        """The state; `symbol` is shown (the first where there is none such), `like` narrows the list of symbols.

        `have` is `points_id` of an answer before: its points are left out, but the last one, where they are the same.
        """
        with self._lock:
            now_ns = self._clock.wall_ns()
            names = self._settings.all_symbols
            shown = symbol if symbol in names else next(iter(names), "")  # rules stand for nothing before a look-up
            found = [name for name in names if like.upper() in name.upper()]
            return {
                "host": self._settings.host_id,
                "market": in_force().name,
                "zone": to_local(now_ns).strftime("%Z"),
                "offset_s": int(to_local(now_ns).utcoffset().total_seconds()),  # type: ignore[union-attr]
                "date": str(self._day.date),
                "now": now_ns // NS_PER_MS,
                "recorder": self._news.describe() | {"written": self._news.written_ns // NS_PER_MS},
                "reading": None if self._is_whole else self._day.read_until_ns // NS_PER_MS,
                "problem": self._problem or ("" if names else NO_SYMBOL),
                "symbols": [self._row(name) for name in found[:MOST_ROWS]],
                "count": len(found),
                "shown": self._shown(shown, have, now_ns),
                "dues": self._dues.state,
            }

    def _row(self, symbol: str) -> dict[str, Any]:
        news = self._news.of(symbol)
        last = news.last_ns and news.last_ns // NS_PER_MS
        patience = self._day.patience_ns(symbol) // NS_PER_MS
        return {"name": symbol, "last": last, "rate": news.rate, "patience": patience}

    def _shown(self, symbol: str, have: str, now_ns: int) -> dict[str, Any]:
        points = self._day.points(symbol)
        hours = self._day.hours(symbol).bars
        points_id = _id_of(symbol, points[:-1])
        return self._row(symbol) | {
            "source": self._day.source_of(symbol),
            "opens": hours[0].begin_ns // NS_PER_MS if hours else None,
            "closes": hours[-1].end_ns // NS_PER_MS if hours else None,
            "points_id": points_id,
            "points": None if have == points_id else [_point(each) for each in points[:-1]],
            "newest": _point(points[-1]) if points else None,
            "gaps": [
                [gap.from_ns // NS_PER_MS, gap.to_ns and gap.to_ns // NS_PER_MS, gap.feed, gap.cause]
                for gap in self._day.gaps(symbol, now_ns)
            ],
            "ladders": [_ladder(each) for each in self._day.ladders.of(symbol)],
        }


def _id_of(symbol: str, points: list[Point]) -> str:
    return f"{zlib.crc32(repr((symbol, points)).encode()):08x}"


def _point(point: Point) -> list[float | int | None]:
    return [point.begin_ns // NS_PER_MS, point.price, point.volume, point.sma9, point.vwap]


def _ladder(ladder: Ladder) -> dict[str, Any]:
    return {
        "feed": ladder.feed,
        "at": ladder.recv_ns // NS_PER_MS,
        "valid": ladder.valid,
        "bids": ladder.bids,
        "asks": ladder.asks,
    }
