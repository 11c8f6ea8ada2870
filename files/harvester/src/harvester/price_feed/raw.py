"""The raw zone: each answer of the candle feed as it came, from the journal, in the bucket within a minute.

A file has the answers of one round that came within 20 s of its first one: a round of few symbols is one file, a longer
one several. What a file has follows from the journal alone, so a run that is repeated makes the same files.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.market import to_local
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.deliver.protocol import DayOutcome, Item, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, save
from harvester.deliver.run import deliver
from harvester.journal.format import day_directory
from harvester.lake.day.segments import find_sources
from harvester.lake.layout import RAW as ARCHIVE
from harvester.lake.layout import Partition
from harvester.price_feed.cuts import Cut, CutReader
from harvester.price_feed.folder import folder_of_delivery, working
from harvester.price_feed.layout import raw_key, raw_moment, say_resolution
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.raw_form import RawAnswer, write_raw
from harvester.upload.fingerprint import Fingerprint, take
from harvester.upload.retries import Retries
from harvester.upload.sending import describe, put_new, read_back

WHOLE = "whole"
"""The seal of a day that is over and delivered."""


@dataclass(frozen=True)
class RawItem(Item):
    """A raw file."""

    content: bytes


def _content_of(cut: Cut, feed: str) -> bytes:
    """The file of a cut of a feed's answers."""
    resolution = say_resolution(next(iter(cut.answers.values()))[1].bar_seconds)
    answers = {symbol: RawAnswer(recv_ns, poll.body) for symbol, (recv_ns, poll) in cut.answers.items()}
    return write_raw(answers, cut.failed, cut.wall_ns, resolution, feed)


class RawDelivery:
    """Delivers raw files of a day; `folder` is where receipts are kept.

    The seal of today is the place in the journal from which the next run reads; a day that is over is whole then.
    """

    def __init__(self, settings: Settings, folder: Path, bucket: FeedBucket, retries: Retries, clock: Clock) -> None:
        """`clock` is that by which the recorder receives."""
        self.settings, self.folder, self.clock = settings, folder, clock
        self.bucket, self.retries = bucket, retries
        self._is_over = False

    def plan(self, day: Partition) -> Plan[RawItem]:
        """The files that are complete and were not delivered, made one by one. Raises HarvesterError."""
        settings, receipt = self.settings, self.receipt(day)
        if receipt.manifest == WHOLE:
            return Plan(seal=WHOLE, items=())
        segments = find_sources(day_directory(settings.journal_dir, day.date), settings.lake_dir / day.path(ARCHIVE))
        reader = CutReader(segments, receipt.manifest or "", self.clock.mono_ns())
        plan: Plan[RawItem] = Plan(seal="", items=())
        plan.items = self._items(reader, max(map(raw_moment, receipt.files), default=0), plan)
        is_past = day.date < to_local(self.clock.wall_ns()).date()
        self._is_over = is_past and not any(segment.is_open for segment in segments)
        return plan

    def _items(self, reader: CutReader, last_s: int, plan: Plan[RawItem]) -> Iterator[RawItem]:
        for cut in reader.cuts():
            if not cut.answers:
                continue
            last_s = max(cut.wall_ns // NS_PER_SECOND, last_s + 1)
            content = _content_of(cut, self.settings.history)
            yield RawItem(raw_key(last_s), len(content), hashlib.sha256(content).hexdigest(), content)
        plan.seal = WHOLE if self._is_over and not reader.is_waiting else reader.place

    def put(self, item: RawItem) -> Fingerprint:
        """Put a file where there is nothing yet."""
        source = io.BytesIO(item.content)
        content = take(source)
        put_new(self.bucket, self.retries, item.path, source, content, ContentType="application/json")
        return content

    def verify(self, item: RawItem, sent: Fingerprint) -> VerifiedObject:
        """By the bucket's checksum."""
        seen = read_back(self.bucket, self.retries, item.path, sent)
        return describe(item, self.bucket.key(item.path), seen)

    def receipt(self, day: Partition) -> DayReceipt:
        return load(self.folder, day, self.bucket.home)

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        save(self.folder, day, receipt)


def deliver_raw(
    settings: Settings, delivery: DeliverySettings, bucket: FeedBucket, day: Partition, clock: Clock
) -> DayOutcome:
    """Bring the answers of a day that are complete by now. Raises HarvesterError as `deliver`."""
    folder = folder_of_delivery(settings, delivery, "raw")
    with working(folder):
        return deliver(RawDelivery(settings, folder, bucket, Retries(), clock), day)
