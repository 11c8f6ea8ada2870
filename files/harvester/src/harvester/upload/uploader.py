"""A closed day into the bucket: each file of its manifest once, verified there, and the manifest last.

An object under the manifest's key means that everything it lists was verified in the bucket before.
"""

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harvester.base.errors import HarvesterError
from harvester.lake.layout import MANIFEST, RAW, Partition, find_partitions
from harvester.lake.manifest import SELF, FileEntry, load_manifest, parse_manifest, read_earlier, read_removals
from harvester.upload import receipts
from harvester.upload.bucket import Bucket, Stored, matches
from harvester.upload.fingerprint import Fingerprint, take
from harvester.upload.receipts import DayReceipt, VerifiedObject
from harvester.upload.retries import Retries
from harvester.upload.trouble import AbsentError, TakenError, TransientError

HEADS = 3  # an answer can be garbled on its way; an object does not change


@dataclass
class DayOutcome:
    """What a run did for one day of one host."""

    partition: Partition
    put: int = 0
    bytes: int = 0
    complete: bool = False
    new: bool = False
    """Whether this run completed it."""
    left_out: str = ""
    """Why the day cannot be in the bucket, where that is no fault."""
    foreign: bool = False
    """Whether the bucket holds something else under the day's keys."""
    problems: list[str] = field(default_factory=list)


class ForeignObjectError(TakenError):
    """The bucket holds something else under a key of ours."""


def manifest_path(partition: Partition, generation: int) -> str:
    """A manifest's path in the bucket. Each generation has its own: nothing in a bucket is ever replaced."""
    return (partition.path(MANIFEST) / f"manifest-{generation}.json").as_posix()


class Uploader:
    """Uploads the days of one lake; `folder` is where receipts are kept."""

    def __init__(self, lake: Path, folder: Path, bucket: Bucket, retries: Retries) -> None:
        self.lake, self.folder, self.bucket, self.retries = lake, folder, bucket, retries

    def upload(self, partitions: list[Partition] | None = None) -> list[DayOutcome]:
        """Upload these days, by default all that are not up, oldest first; one in trouble does not hold up the others.

        Raises BucketError when the bucket refuses everything alike, TransientError when the time for retries is used
        up, HarvesterError when no receipt can be written. What is verified until then is in the receipts.
        """
        wanted = find_partitions(self.lake) if partitions is None else partitions
        return [self._upload_day(partition) for partition in wanted]

    def _upload_day(self, partition: Partition) -> DayOutcome:
        outcome = DayOutcome(partition)
        try:
            content, files, generation, seal = self._read(partition)
            removed = {entry.path for entry in read_removals(self.lake, partition)}
        except HarvesterError as error:
            outcome.problems.append(str(error))
            return outcome
        receipt = receipts.load(self.folder, partition, self.bucket.home)
        if receipt.manifest == seal:
            outcome.complete = True
            return outcome
        todo = [entry for entry in files if not receipt.covers(entry.path, entry.sha256)]
        gone = [entry.path for entry in todo if entry.path in removed and not (self.lake / entry.path).exists()]
        if gone:
            outcome.left_out = f"{len(gone)} files were cleaned up before they were uploaded, such as {gone[0]}"
            return outcome
        try:
            for entry in todo:
                self._upload_file(entry, receipt, outcome)
            if not outcome.problems:
                self._upload_manifest(manifest_path(partition, generation), content, receipt)
                receipt.manifest = seal
                outcome.complete = outcome.new = True
        except (ForeignObjectError, AbsentError, TransientError) as error:
            self._note(error, outcome)
        finally:
            receipts.save(self.folder, partition, receipt)
        if outcome.foreign:
            outcome.problems.append(self._advise(partition, files))
        return outcome

    def _advise(self, partition: Partition, files: tuple[FileEntry, ...]) -> str:
        day, host = partition.date, partition.host
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

    def _read(self, partition: Partition) -> tuple[bytes, tuple[FileEntry, ...], int, str]:
        """The manifest in force: its bytes, files, generation and self hash."""
        manifest = load_manifest(self.lake, partition)
        path = self.lake / partition.manifest
        content = path.read_bytes()
        if manifest is None or parse_manifest(content, partition) != manifest:
            raise HarvesterError(f"{path}: the day is being closed just now. The next run uploads it.")
        return content, manifest.files, manifest.generation, str(json.loads(content)[SELF])

    def _upload_file(self, entry: FileEntry, receipt: DayReceipt, outcome: DayOutcome) -> None:
        """One file, or why it is not up."""
        path = self.lake / entry.path
        try:
            with path.open("rb", buffering=0) as source:
                content = take(source, self.bucket.sizes)
                if (content.size, content.sha256) != (entry.bytes, entry.sha256):
                    outcome.problems.append(f"{path}: it is not what its manifest says; run harvester verify.")
                    return
                seen = self._send(entry.path, source, content)
        except OSError as error:
            outcome.problems.append(f"{path}: it cannot be read ({error.strerror}); run harvester verify.")
        except (ForeignObjectError, AbsentError, TransientError) as error:
            self._note(error, outcome)
        else:
            receipt.files[entry.path] = self._verified_object(entry.path, entry.bytes, entry.sha256, seen)
            outcome.put += 1
            outcome.bytes += entry.bytes

    def _upload_manifest(self, path: str, content: bytes, receipt: DayReceipt) -> None:
        digest = hashlib.sha256(content)
        expected = Fingerprint(len(content), digest.hexdigest(), (digest.digest(),))
        seen = self._send(path, io.BytesIO(content), expected)
        receipt.files[path] = self._verified_object(path, expected.size, expected.sha256, seen)

    def _note(self, error: HarvesterError, outcome: DayOutcome) -> None:
        if self.retries.used_up:
            raise error
        outcome.problems.append(str(error))
        outcome.foreign |= isinstance(error, ForeignObjectError)

    def _send(self, path: str, source: IO[bytes], content: Fingerprint) -> Stored:
        """Put the object unless it is there, then verify it. After a lost answer the next try finds our own object."""

        def put() -> None:
            try:
                self.bucket.put(path, source, content)
            except TakenError:
                return  # an earlier try or run put it, or another host; the checksum below tells

        self.retries.retry(put)
        for _ in range(HEADS):
            seen = self.retries.retry(lambda: self.bucket.head(path))
            if matches(seen, content):
                return seen
        raise ForeignObjectError(
            f"{self.bucket.place(path)} is another object than the file here: {seen.bytes} bytes with SHA-256"
            f" {seen.checksum or 'unknown'}, and {content.size} bytes with {content.checksum} are expected. Nothing was"
            " overwritten and nothing goes from here."
        )

    def _verified_object(self, path: str, size: int, sha256: str, seen: Stored) -> VerifiedObject:
        checksum = seen.checksum or ""
        return VerifiedObject(
            path, size, sha256, self.bucket.key(path), checksum, seen.etag, seen.version_id, receipts.now()
        )
