"""A closed day into the bucket: each file of its manifest once, verified there, and the manifest last.

An object under the manifest's key means that everything it lists was verified in the bucket before.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.deliver.protocol import DayOutcome, Item, ItemError, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, save
from harvester.deliver.run import deliver
from harvester.lake.layout import MANIFEST, RAW, Partition, find_partitions
from harvester.lake.manifest import SELF, Manifest, load_manifest, parse_manifest, read_earlier, read_removals
from harvester.upload.bucket import Bucket
from harvester.upload.fingerprint import Fingerprint, take
from harvester.upload.retries import Retries
from harvester.upload.sending import describe, put_new, read_back


def manifest_path(partition: Partition, generation: int) -> str:
    """A manifest's path in the bucket. Each generation has its own: nothing in a bucket is ever replaced."""
    return (partition.path(MANIFEST) / f"manifest-{generation}.json").as_posix()


class Uploader:
    """Delivers the days of one lake; `folder` is where receipts are kept."""

    def __init__(self, lake: Path, folder: Path, bucket: Bucket, retries: Retries) -> None:
        self.lake, self.folder, self.bucket, self.retries = lake, folder, bucket, retries
        self._manifests: dict[str, bytes] = {}
        """By path in the bucket, what is put there."""

    def upload(self, partitions: list[Partition] | None = None) -> list[DayOutcome]:
        """Upload these days, by default all that are not up, oldest first; one in trouble does not hold up the others.

        Raises BucketError when the bucket refuses everything alike, TransientError when the time for retries is used
        up, HarvesterError when no receipt can be written. What is verified until then is in the receipts.
        """
        wanted = find_partitions(self.lake) if partitions is None else partitions
        outcomes = []
        for partition in wanted:
            outcomes.append(outcome := deliver(self, partition))
            if outcome.foreign:
                outcome.problems.append(self._advise(partition))
        return outcomes

    def plan(self, day: Partition) -> Plan[Item]:
        """The files that the day's manifest lists, and the manifest as the last."""
        content, manifest = self._read(day)
        removed = {entry.path for entry in read_removals(self.lake, day)}
        receipt = self.receipt(day)
        todo = [entry for entry in manifest.files if not receipt.covers(entry.path, entry.sha256)]
        gone = [entry.path for entry in todo if entry.path in removed and not (self.lake / entry.path).exists()]
        path = manifest_path(day, manifest.generation)
        self._manifests[path] = content
        return Plan(
            seal=str(json.loads(content)[SELF]),
            items=[Item(entry.path, entry.bytes, entry.sha256) for entry in manifest.files],
            last=(Item(path, len(content), hashlib.sha256(content).hexdigest()),),
            left_out=f"{len(gone)} files were cleaned up before they were uploaded, such as {gone[0]}" if gone else "",
        )

    def put(self, item: Item) -> Fingerprint:
        """Put a file, or the manifest, where there is nothing yet."""
        with self._noting():
            if (manifest := self._manifests.get(item.path)) is not None:
                source = io.BytesIO(manifest)
                content = take(source, self.bucket.sizes)
                put_new(self.bucket, self.retries, item.path, source, content)
                return content
            return self._put_file(item)

    def verify(self, item: Item, sent: Fingerprint) -> VerifiedObject:
        """What the bucket says of the object now."""
        with self._noting():
            seen = read_back(self.bucket, self.retries, item.path, sent)
            return describe(item, self.bucket.key(item.path), seen)

    def receipt(self, day: Partition) -> DayReceipt:
        return load(self.folder, day, self.bucket.home)

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        save(self.folder, day, receipt)

    def _put_file(self, item: Item) -> Fingerprint:
        path = self.lake / item.path
        try:
            with path.open("rb", buffering=0) as source:
                content = take(source, self.bucket.sizes)
                if (content.size, content.sha256) != (item.bytes, item.sha256):
                    raise ItemError(f"{path}: it is not what its manifest says; run harvester verify.")
                put_new(self.bucket, self.retries, item.path, source, content)
                return content
        except OSError as error:
            raise ItemError(f"{path}: it cannot be read ({error.strerror}); run harvester verify.") from error

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Let an error end the run where the time for retries is used up."""
        try:
            yield
        except ItemError as error:
            error.ends_run = self.retries.used_up
            raise

    def _advise(self, partition: Partition) -> str:
        day, host = partition.date, partition.host
        files = self._read(partition)[1].files
        former = {entry.path: entry for manifest in read_earlier(self.lake, partition) for entry in manifest.files}
        if any(entry.path in former and former[entry.path].sha256 != entry.sha256 for entry in files):
            return (
                "Files of a former build of the day had these names, as releases up to November 2026 gave them: run"
                f" harvester close --date {day} --rebuild, which names the day's files anew, then harvester upload."
            )
        return (
            f"Does another host have the same host_id? Give this one its own with ./inv deploy. Then rename"
            f" {self.lake / partition.path(RAW)} to host=ITS-NEW-ID, move all other host={host} of date={day} out of"
            f" the lake, and run harvester close --date {day} and harvester upload. Otherwise look at the object, move"
            " it away with an administrator's rights, and run harvester upload again."
        )

    def _read(self, partition: Partition) -> tuple[bytes, Manifest]:
        """The manifest in force, and its bytes."""
        manifest = load_manifest(self.lake, partition)
        path = self.lake / partition.manifest
        content = path.read_bytes()
        if manifest is None or parse_manifest(content, partition) != manifest:
            raise HarvesterError(f"{path}: the day is being closed just now. The next run uploads it.")
        return content, manifest
