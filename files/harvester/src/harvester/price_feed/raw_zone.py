"""A day's bars from the raw zone, where that is the only journal: what the ETL function reads, and what it lacks.

Needs botocore and the standard library alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local
from harvester.brokers.bars import History
from harvester.brokers.fyers.history import read_history
from harvester.decode.candles import BarBook, Place, count_rejected
from harvester.price_feed.asking import LATE_NS
from harvester.price_feed.feed_days import BAR_SECONDS, WIDTH_NS, FeedDays
from harvester.price_feed.layout import RAW, FeedBar, raw_moment, say_resolution
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.raw_form import RawAnswer, read_raw
from harvester.upload.retries import Retries

FINAL_NS = 900 * NS_PER_SECOND
DAY_SECONDS = 86_400
OK = 200


@dataclass
class RawDay:
    """What the raw files of a day say; `now_ns`: bars that end later are not due yet."""

    days: FeedDays
    day: date
    now_ns: int
    files: int = 0
    flaws: list[str] = field(default_factory=list)
    """Of files that cannot be read, a sentence each."""
    _books: dict[str, BarBook] = field(default_factory=dict)

    def read(self, bucket: FeedBucket, retries: Retries) -> None:
        """Read the zone's files of the day, in the order of receipt. Raises as `FeedBucket`."""
        due, hours = self.days.bars(self.day), self.days.span(self.day)
        settles_ns = hours[1] if hours else 0
        for number, key in enumerate(self._keys(bucket, retries)):
            try:
                answers = _read(bucket, retries, key)
            except ValueError as error:
                self.flaws.append(f"{bucket.place(key)} is left out: {error}.")
                continue
            self.files += 1
            for symbol, (recv_ns, body) in answers.items():
                if symbol not in self._books:
                    self._books[symbol] = BarBook(WIDTH_NS, due.get(symbol, {}), FINAL_NS, settles_ns)
                read = read_history(OK, body)
                if isinstance(read, History):
                    # When the request was sent is not in the file: no later than this, so no bar is taken that was
                    # still being formed.
                    self._books[symbol].see(recv_ns - LATE_NS, Place(recv_ns, 0, number), read)

    def _keys(self, bucket: FeedBucket, retries: Retries) -> list[str]:
        """Of files that came on the day in India; their folders are of days in UTC."""
        begins_s = midnight_ns(self.day) // NS_PER_SECOND
        found: dict[int, str] = {}
        for day in (self.day - timedelta(days=1), self.day):
            for key in retries.retry(partial(_list, bucket, f"{RAW}/{day.isoformat()}")):
                try:
                    moment_s = raw_moment(key)
                except ValueError:
                    if day == self.day:
                        self.flaws.append(f"{bucket.place(key)} is left out: its name is none of a raw file.")
                    continue
                if begins_s <= moment_s < begins_s + DAY_SECONDS:
                    found[moment_s] = key
        return [found[moment_s] for moment_s in sorted(found)]

    def bars(self) -> Iterator[tuple[str, list[FeedBar]]]:
        """The bars in force of each symbol."""
        for symbol, book in sorted(self._books.items()):
            rows = sorted(book.in_force().items())
            yield symbol, [FeedBar(begin_ns, *row.values, row.place.recv_ns) for begin_ns, row in rows]

    def missing(self) -> dict[str, dict[str, str]]:
        """By symbol, the begin of each bar that is due and not there, in Indian time, and why."""
        found: dict[str, dict[str, str]] = {}
        for symbol, ends in self.days.bars(self.day).items():
            book = self._books.get(symbol)
            have = book.in_force() if book else {}
            lacking = [begin for begin, end in ends.items() if end <= self.now_ns and begin not in have]
            if lacking:
                found[symbol] = {to_local(begin).isoformat(): _explain(book, begin) for begin in lacking}
        return found

    def counts(self) -> dict[str, int]:
        """Bars expected by now, missing, rejected and revised."""
        ends = (end for bars in self.days.bars(self.day).values() for end in bars.values())
        return {
            "expected": sum(end <= self.now_ns for end in ends),
            "missing": sum(map(len, self.missing().values())),
            "rejected": sum(count_rejected(self._books.values()).values()),
            "revised": sum(row.revision > 0 for book in self._books.values() for row in book.rows()),
        }


def _list(bucket: FeedBucket, folder: str) -> list[str]:
    return sorted(bucket.list(folder))


def _read(bucket: FeedBucket, retries: Retries, key: str) -> dict[str, RawAnswer]:
    return read_raw(retries.retry(lambda: bucket.read(key)), say_resolution(BAR_SECONDS))


def _explain(book: BarBook | None, begin_ns: int) -> str:
    if book is None:
        return "no answer came"
    if flaw := book.is_rejected(begin_ns):
        return f"the broker's candle was rejected: {flaw}"
    is_answered = book.is_answered(book.end_of(begin_ns))
    return "the broker answered and has no candle of it" if is_answered else "no answer came after its end"
