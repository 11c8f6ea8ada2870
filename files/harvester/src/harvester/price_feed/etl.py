"""The tables of a day from the raw zone: the delivery that the ETL function runs. Needs botocore alone."""

from collections.abc import Iterator
from typing import Any

from harvester.base.market import NSE
from harvester.deliver.protocol import DayOutcome, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject
from harvester.deliver.run import deliver
from harvester.lake.layout import Partition
from harvester.price_feed.feed_days import BAR_SECONDS
from harvester.price_feed.layout import clean, say_resolution
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.raw_zone import RawDay
from harvester.price_feed.table_files import Sent, TableFiles, TableItem, write_tables
from harvester.upload.retries import Retries


class EtlDelivery:
    """Delivers what was read of a day. It keeps no receipt: the objects' own metadata says what is there."""

    def __init__(self, raw: RawDay, bucket: FeedBucket, retries: Retries, name: str) -> None:
        self.raw, self.bucket = raw, bucket
        self.records = self.uploaded = 0
        self._files = TableFiles(bucket, retries, name, f'call {name} with {{"date": "{raw.day}"}}')
        self._receipt = DayReceipt(raw.day.isoformat(), name, bucket.home)

    def plan(self, day: Partition) -> Plan[TableItem]:
        return Plan(seal="read", items=self._items(day))

    def _items(self, day: Partition) -> Iterator[TableItem]:
        for item, bars in write_tables(self.raw.bars(), day.date, say_resolution(BAR_SECONDS), NSE.units):
            self.records += bars
            yield item

    def put(self, item: TableItem) -> Sent:
        sent = self._files.put(item)
        self.uploaded += sent.is_new
        return sent

    def verify(self, item: TableItem, sent: Sent) -> VerifiedObject:
        return self._files.verify(item, sent)

    def receipt(self, day: Partition) -> DayReceipt:
        return self._receipt

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        self._receipt = receipt


def bring_day(raw: RawDay, bucket: FeedBucket, retries: Retries, name: str) -> tuple[dict[str, Any], DayOutcome]:
    """Read the day's raw files and bring its tables; the answer for scripts, and what went wrong.

    The answer has the names that the feed's users know, the counts of bars, and by symbol the bars that are missing.
    """
    raw.read(bucket, retries)
    delivery = EtlDelivery(raw, bucket, retries, name)
    outcome = deliver(delivery, Partition(raw.day, name))
    symbols = sorted(clean(symbol) for symbol, bars in raw.bars() if bars)
    answer = {
        "processed_files": raw.files,
        "total_records": delivery.records,
        "symbols_processed": len(symbols),
        "uploaded_files": delivery.uploaded,
        "date": raw.day.isoformat(),
        "symbols": symbols,
        **raw.counts(),
        "missing_bars": raw.missing(),
    }
    return answer, outcome
