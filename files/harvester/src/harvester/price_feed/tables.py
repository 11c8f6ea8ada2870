"""The csv.gz of each symbol of a day of this host; name and bytes follow from the bars alone."""

from collections.abc import Iterator
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.deliver.protocol import ItemError, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, save
from harvester.lake.layout import Partition
from harvester.price_feed.days import FeedDay, Source
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.table_files import Sent, TableFiles, TableItem, write_tables
from harvester.upload.retries import Retries

AGAIN = "run harvester deliver --date for that day"


class TableDelivery:
    """Delivers the tables of days; `folder` is where receipts are kept."""

    def __init__(self, source: Source, folder: Path, bucket: FeedBucket, retries: Retries) -> None:
        self.source, self.folder, self.bucket = source, folder, bucket
        self._files = TableFiles(bucket, retries, source.host, AGAIN)
        self._receipts: dict[Partition, DayReceipt] = {}

    def plan(self, day: Partition) -> Plan[TableItem]:
        """A file for each symbol with bars, made one by one."""
        found = self.source.open(day)
        plan: Plan[TableItem] = Plan(seal=found.seal, items=(), left_out=found.left_out)
        plan.items = self._items(day, found, plan)
        return plan

    def _items(self, day: Partition, found: FeedDay, plan: Plan[TableItem]) -> Iterator[TableItem]:
        records = 0
        try:
            for item, bars in write_tables(found.bars(), day.date, found.resolution, found.market.units):
                records += bars
                yield item
        except ItemError:
            raise
        except HarvesterError as error:
            raise ItemError(str(error)) from error
        plan.counts = {"files": found.files, "records": records, **found.counts()}

    def put(self, item: TableItem) -> Sent:
        """Put the file, unless these very lines are there; anything of others in the folder stops it before."""
        return self._files.put(item)

    def verify(self, item: TableItem, sent: Sent) -> VerifiedObject:
        """The object in force, by the bucket's checksum; then what it supersedes goes."""
        return self._files.verify(item, sent)

    def receipt(self, day: Partition) -> DayReceipt:
        """Read once: a day of thousands of symbols has a large one."""
        if day not in self._receipts:
            self._receipts[day] = load(self.folder, day, self.bucket.home)
        return self._receipts[day]

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        save(self.folder, day, receipt)
