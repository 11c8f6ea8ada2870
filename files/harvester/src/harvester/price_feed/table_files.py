"""A csv.gz in the bucket: one file in force of each symbol and day, whoever brings it. Needs botocore alone.

The name has the moment of the newest answer in the bars, so the same bars have the same name, whoever asks when. A
correction has another: it is put and verified, then what it supersedes goes. Whose an object is, and which lines it
has, stands in its metadata.
"""

import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

from harvester.deliver.protocol import ForeignError, Item, ItemError
from harvester.deliver.receipts import VerifiedObject
from harvester.price_feed.layout import NS, FeedBar, clean, file_name, folder_of, newest, write_csv
from harvester.price_feed.place import FeedBucket
from harvester.upload.bucket import Stored, matches
from harvester.upload.fingerprint import Fingerprint, take
from harvester.upload.retries import Retries
from harvester.upload.sending import describe, put_new, read_back

HOST, LINES = "harvester-host", "harvester-lines"
"""Metadata of our objects: who put it, and the SHA-256 of the CSV before its compression."""
LEVEL = 6
"""Of gzip."""


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
    is_new: bool = False
    """Whether it was put now."""
    stored: Stored | None = None
    """What the bucket said of it when it took it; None: it was there, or the bucket did not say."""


def write_tables(
    found: Iterable[tuple[str, list[FeedBar]]], day: date, resolution: str, units: int
) -> Iterator[tuple[TableItem, int]]:
    """The file of each symbol with bars, and how many bars it has, one by one; `units` of its prices are 1.

    Raises ItemError where two symbols would have one name.
    """
    seen: dict[str, str] = {}
    for symbol, bars in found:
        if not bars:
            continue
        if (other := seen.setdefault(clean(symbol), symbol)) != symbol:
            raise ItemError(
                f"{symbol} and {other} would both be symbol={clean(symbol)} in the price feed. Leave one out of the"
                " symbols whose candles are asked for; no file of it goes from here."
            )
        content = write_csv(symbol, bars, resolution, units)
        digest = hashlib.sha256(content).hexdigest()
        yield TableItem(folder_of(symbol, day), len(content), digest, content, newest(bars)), len(bars)


class TableFiles:
    """The files of one bringer in the feed's bucket; `host` is what their metadata calls it.

    `again`: how a person has it bring a day again, such as "run harvester deliver --date for that day".
    """

    def __init__(self, bucket: FeedBucket, retries: Retries, host: str, again: str) -> None:
        self.bucket, self.retries, self.host, self.again = bucket, retries, host, again

    def put(self, item: TableItem) -> Sent:
        """Put the file, unless these very lines are there; anything of others in the folder stops it before."""
        folder, there = item.path, {}
        for key in self.retries.retry(lambda: sorted(self.bucket.list(folder))):
            seen = self.retries.retry(partial(self.bucket.head, key))
            if seen.metadata.get(HOST) != self.host:
                raise ForeignError(self._say_foreign(key, seen.metadata.get(HOST)))
            there[key] = seen.metadata.get(LINES)
        packed = io.BytesIO(gzip.compress(item.content, LEVEL, mtime=0))
        content = take(packed)
        if in_force := next((key for key, lines in there.items() if lines == item.sha256), None):
            return Sent(in_force, content, tuple(key for key in there if key != in_force))
        moment = item.newest_ns // NS
        while (key := f"{folder}/{file_name(moment)}") in there:
            moment += 1  # other bars of the same newest answer, such as after a repair
        metadata = {HOST: self.host, LINES: item.sha256}
        headers = {"ContentType": "text/csv", "ContentEncoding": "gzip", "Metadata": metadata}
        stored = put_new(self.bucket, self.retries, key, packed, content, **headers)
        return Sent(key, content, tuple(there), True, stored)

    def verify(self, item: TableItem, sent: Sent) -> VerifiedObject:
        """The object in force, by the bucket's checksum; then what it supersedes goes.

        What the bucket said when it stored the object is that: S3 computes the checksum of what it has stored. Where it
        did not say, or there was an object before, it is asked.
        """
        seen = sent.stored
        if seen is None or not matches(seen, sent.content):
            wanted = {HOST: self.host, LINES: item.sha256}
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
            " it. Of two that deliver, give each a place of its own, or its own symbols. Else move the object away with"
            f" an administrator's rights, and {self.again}."
        )
