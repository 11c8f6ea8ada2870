"""The csv.gz of each symbol of a day: one file in force, whose name and bytes follow from the bars alone.

The name has the moment of the newest answer in the bars, so the same bars have the same name, whoever asks when. A
correction has another: it is put and read back, then what it supersedes goes. Whose an object is, and which lines it
has, stands in its metadata.
"""

import gzip
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.deliver.protocol import ForeignError, Item, ItemError, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, save
from harvester.lake.layout import Partition
from harvester.price_feed.days import FeedDay, Source
from harvester.price_feed.layout import NS, clean, file_name, folder_of, newest, write_csv
from harvester.price_feed.place import FeedBucket
from harvester.upload.bucket import matches
from harvester.upload.fingerprint import Fingerprint, take
from harvester.upload.retries import Retries
from harvester.upload.sending import describe, put_new, read_back

HOST, LINES = "harvester-host", "harvester-lines"
"""Metadata of our objects: the host that put it, and the SHA-256 of the CSV before its compression."""


@dataclass(frozen=True)
class TableItem(Item):
    """A symbol's day. Size and SHA-256 are of the CSV: how it is compressed is no part of what it says."""

    content: bytes
    newest_ns: int


@dataclass(frozen=True)
class Sent:
    """The key in force, what must be there, and the keys of ours that it supersedes."""

    key: str
    content: Fingerprint
    superseded: tuple[str, ...]


class TableDelivery:
    """Delivers the tables of days; `folder` is where receipts are kept."""

    def __init__(self, source: Source, folder: Path, bucket: FeedBucket, retries: Retries) -> None:
        self.source, self.folder, self.bucket, self.retries = source, folder, bucket, retries

    def plan(self, day: Partition) -> Plan[TableItem]:
        """A file for each symbol with bars, made one by one."""
        found = self.source.open(day)
        plan: Plan[TableItem] = Plan(seal=found.seal, items=(), left_out=found.left_out)
        plan.items = self._items(day, found, plan)
        return plan

    def _items(self, day: Partition, found: FeedDay, plan: Plan[TableItem]) -> Iterator[TableItem]:
        seen: dict[str, str] = {}
        records = 0
        try:
            for symbol, bars in found.bars():
                if not bars:
                    continue
                if (other := seen.setdefault(clean(symbol), symbol)) != symbol:
                    raise ItemError(
                        f"{symbol} and {other} would both be symbol={clean(symbol)} in the price feed. Leave one out of"
                        " candles.symbols; no file of it goes from here."
                    )
                records += len(bars)
                content = write_csv(symbol, bars, found.resolution)
                digest = hashlib.sha256(content).hexdigest()
                yield TableItem(folder_of(symbol, day.date), len(content), digest, content, newest(bars))
        except ItemError:
            raise
        except HarvesterError as error:
            raise ItemError(str(error)) from error
        plan.counts = {"files": found.files, "records": records, **found.counts()}

    def put(self, item: TableItem) -> Sent:
        """Put the file, unless these very lines are there; anything of others in the folder stops it before."""
        folder, there = item.path, {}
        for key in self.retries.retry(lambda: sorted(self.bucket.list(folder))):
            seen = self.retries.retry(partial(self.bucket.head, key))
            if seen.metadata.get(HOST) != self.source.host:
                raise ForeignError(self._say_foreign(key, seen.metadata.get(HOST)))
            there[key] = seen.metadata.get(LINES)
        packed = io.BytesIO(gzip.compress(item.content, 6, mtime=0))
        content = take(packed)
        if in_force := next((key for key, lines in there.items() if lines == item.sha256), None):
            return Sent(in_force, content, tuple(key for key in there if key != in_force))
        moment = item.newest_ns // NS
        while (key := f"{folder}/{file_name(moment)}") in there:
            moment += 1  # other bars of the same newest answer, such as after a repair
        metadata = {HOST: self.source.host, LINES: item.sha256}
        headers = {"ContentType": "text/csv", "ContentEncoding": "gzip", "Metadata": metadata}
        put_new(self.bucket, self.retries, key, packed, content, **headers)
        return Sent(key, content, tuple(there))

    def verify(self, item: TableItem, sent: Sent) -> VerifiedObject:
        """The object in force, by the bucket's checksum; then what it supersedes goes."""
        wanted = {HOST: self.source.host, LINES: item.sha256}
        seen = read_back(
            *(self.bucket, self.retries, sent.key, sent.content),
            # Another release of zlib packs the same lines otherwise.
            is_same=lambda seen, content: matches(seen, content) or seen.metadata.items() >= wanted.items(),
        )
        for key in sent.superseded:
            self.retries.retry(partial(self.bucket.delete, key))
        return describe(item, self.bucket.key(sent.key), seen)

    def _say_foreign(self, key: str, host: str | None) -> str:
        whose = f"the price feed of {host} put it" if host else "no price feed of ours put it"
        return (
            f"{self.bucket.place(key)}: {whose}, and a symbol's day may have one file only, so nothing was put beside"
            " it. Of two hosts, give each a place of its own, or its own symbols. Else move the object away with an"
            " administrator's rights, and run harvester deliver --date for that day."
        )

    def receipt(self, day: Partition) -> DayReceipt:
        return load(self.folder, day, self.bucket.home)

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        save(self.folder, day, receipt)
