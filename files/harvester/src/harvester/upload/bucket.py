"""One bucket, as the uploader may use it: put an object that is not there yet, and ask what is there. No more."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from harvester.base.errors import ConfigError
from harvester.base.release import USER_AGENT
from harvester.lake.layout import bucket_path
from harvester.upload.fingerprint import SIZES, Fingerprint, Sizes, encode
from harvester.upload.trouble import UPLOAD, BucketError, explained

if TYPE_CHECKING:  # functions carry this file without what settings need
    from harvester.config.settings import UploadSettings

CONNECT_SECONDS, READ_SECONDS = 10, 60
SHA256 = "SHA256"


@dataclass(frozen=True)
class Stored:
    """Size, SHA-256 in base64, ETag and version of an object; `checksum` is None when it was put without SHA-256."""

    bytes: int
    checksum: str | None
    etag: str
    version_id: str | None
    metadata: Mapping[str, str] = field(default_factory=dict)


def open_client(region: str | None, endpoint_url: str | None) -> Any:
    """An S3 client that neither retries by itself nor adds checksums of its own. Raises BucketError."""
    import botocore.session
    from botocore.config import Config

    options = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        # Both are made anew for each request otherwise, for a fifth of its time: what is asked here has fixed shapes.
        user_agent=USER_AGENT,
        parameter_validation=False,
    )
    with explained(endpoint_url or "s3://"):
        session = botocore.session.get_session()
        # Listings state a time for each object, which is not used here and takes long to parse.
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
        return session.create_client("s3", region_name=region, endpoint_url=endpoint_url, config=options)


class Bucket:
    """Objects below one prefix, named by their paths in the lake."""

    words = UPLOAD

    def __init__(self, client: Any, name: str, prefix: str, sizes: Sizes = SIZES) -> None:
        self.client, self.name, self.prefix, self.sizes = client, name, prefix, sizes

    @property
    def home(self) -> str:
        """The place as a person writes it."""
        return f"s3://{self.name}/{self.prefix}"

    def key(self, path: str) -> str:
        """The key of a file of the lake."""
        return f"{self.prefix}{bucket_path(path)}"

    def place(self, path: str) -> str:
        """The object of a file of the lake, as a person writes it."""
        return f"{self.home}{bucket_path(path)}"

    def put(self, path: str, source: IO[bytes], content: Fingerprint, **headers: object) -> Stored | None:
        """Put a file where there is nothing yet; S3 refuses bytes that do not have the fingerprint's checksum.

        `headers` are those of an object of one part, as the SDK calls them. Returns what S3 says of such an object that
        it stored, where it states a checksum.
        Raises TakenError when something is there, TransientError, BucketError.
        """
        with explained(self.place(path), self.words):
            if len(content.parts) == 1:
                answer = self.client.put_object(
                    Bucket=self.name,
                    Key=self.key(path),
                    Body=_window(source, 0, content.size),
                    ContentLength=content.size,
                    IfNoneMatch="*",
                    ChecksumAlgorithm=SHA256,
                    ChecksumSHA256=content.checksum,
                    **headers,
                )
                checksum = answer.get("ChecksumSHA256")
                return Stored(content.size, checksum, answer["ETag"], answer.get("VersionId")) if checksum else None
            self._put_parts(path, source, content)
            return None

    def _put_parts(self, path: str, source: IO[bytes], content: Fingerprint) -> None:
        names = {"Bucket": self.name, "Key": self.key(path)}
        upload = {
            **names,
            "UploadId": self.client.create_multipart_upload(**names, ChecksumAlgorithm=SHA256)["UploadId"],
        }
        try:
            parts, start = [], 0
            sizes = self.sizes.cut(content.size)
            for number, (length, digest) in enumerate(zip(sizes, content.parts, strict=True), start=1):
                checksum = encode(digest)
                answer = self.client.upload_part(
                    **upload,
                    PartNumber=number,
                    Body=_window(source, start, length),
                    ContentLength=length,
                    ChecksumAlgorithm=SHA256,
                    ChecksumSHA256=checksum,
                )
                parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})
                start += length
            self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            # What is left of an upload that broke off is the bucket's to expire, should this fail, too.
            with suppress(BucketError), explained(self.place(path), self.words):
                self.client.abort_multipart_upload(**upload)
            raise

    def head(self, path: str) -> Stored:
        """The object as it is stored now. Raises AbsentError, TransientError, BucketError."""
        with explained(self.place(path), self.words):
            answer = self.client.head_object(Bucket=self.name, Key=self.key(path), ChecksumMode="ENABLED")
        return Stored(
            *(int(answer["ContentLength"]), answer.get("ChecksumSHA256"), answer["ETag"], answer.get("VersionId")),
            metadata=answer.get("Metadata") or {},
        )


def _window(source: IO[bytes], start: int, length: int) -> Any:
    """A stretch of an open file as a file of its own, which is never in memory as a whole."""
    from s3transfer.utils import ReadFileChunk

    source.seek(start)
    return ReadFileChunk(source, length, start + length)


def matches(stored: Stored, content: Fingerprint) -> bool:
    """Whether an object has the size and the checksum of a file.

    Some services leave out the number of parts; the digest in front of it is over the parts' digests all the same.
    """
    digest = content.checksum.partition("-")[0]
    return stored.bytes == content.size and stored.checksum in {content.checksum, digest}


def open_bucket(settings: "UploadSettings") -> Bucket:
    """The bucket that the settings name. Raises ConfigError when they name none."""
    if settings.bucket is None:
        raise ConfigError("upload.bucket is not set, so there is no copy in S3. Name the bucket in harvester_settings.")
    endpoint = settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    return Bucket(open_client(settings.region, endpoint), settings.bucket, settings.prefix)


def uploads_dir(data_dir: Path) -> Path:
    """Where the uploader keeps what it verified."""
    return data_dir / "uploads"
