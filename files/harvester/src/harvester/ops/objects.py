"""Reading a bucket: what is there, and objects from any byte on; needs s3:ListBucket and s3:GetObject, no more.

Listing goes through the SDK. Objects are read by the SDK's own signer and connection pool alone: its full call takes
several times the CPU of an object of 200 KB, hashing included.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from urllib3.exceptions import HTTPError

from harvester.upload.bucket import CONNECT_SECONDS, READ_SECONDS
from harvester.upload.trouble import BucketError, TransientError, explain, explained

WORKERS = 8
ERROR_BYTES = 65_536


@dataclass(frozen=True)
class Found:
    """An object of a listing; `path` is its key without the prefix."""

    path: str
    bytes: int
    etag: str


class Objects:
    """The objects below one prefix of a bucket."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self.bucket, self.prefix = client, bucket, prefix
        self.home = f"s3://{bucket}/{prefix}"
        with explained(self.home):
            credentials = botocore.session.get_session().get_credentials()
            shown = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        if credentials is None:
            raise BucketError(f"{self.home}: there are no AWS credentials. Set AWS_PROFILE or log in to AWS.")
        self._base = shown.partition("?")[0].removesuffix("k")
        self._signer = S3SigV4Auth(credentials, "s3", client.meta.region_name)
        self._session = URLLib3Session(timeout=(CONNECT_SECONDS, READ_SECONDS), max_pool_connections=WORKERS)

    def list(self, below: str = "") -> list[Found]:
        """Every object whose path begins with `below`. Raises BucketError, also for a listing that ends too early."""
        found: dict[str, Found] = {}
        arguments = {"Bucket": self.bucket, "Prefix": f"{self.prefix}{below}"}
        with explained(self.home):
            while True:
                page = self._client.list_objects_v2(**arguments)
                rows = page.get("Contents", [])
                if page.get("KeyCount", len(rows)) != len(rows):
                    raise TransientError(f"{self.home}: a listing has other rows than it says. It is tried again.")
                for row in rows:
                    path = row["Key"].removeprefix(self.prefix)
                    found[path] = Found(path, int(row["Size"]), row["ETag"])
                if not page.get("IsTruncated"):
                    return list(found.values())
                token = page.get("NextContinuationToken")
                if not token or token == arguments.get("ContinuationToken"):
                    raise TransientError(f"{self.home}: a listing ends before its end. It is tried again.")
                arguments["ContinuationToken"] = token

    def start(self, path: str, offset: int, etag: str | None) -> Any:
        """Ask for the bytes of an object from `offset` on; with `etag` only of the object that had it in the listing.

        To be read inside `reading`. Raises BucketError; TakenError when the object was replaced since.
        """
        place = f"{self.home}{path}"
        with explained(place):
            answer = self._session.send(self._request(path, offset, etag))
        wanted = 206 if offset else 200
        if answer.status_code != wanted:
            with self.reading(path, answer.raw) as body:
                raise _refusal(answer.status_code, body.read(ERROR_BYTES), place)
        return answer.raw

    @contextmanager
    def reading(self, path: str, body: Any) -> Iterator[IO[bytes]]:
        """Read an answer of `start`; TransientError when it breaks off. The connection is given back at the end."""
        try:
            yield body
        except (HTTPError, ConnectionError, TimeoutError) as error:
            raise TransientError(f"{self.home}{path}: {error}. Pull again to continue.") from None
        finally:
            if body.length_remaining:
                body.close()
            body.release_conn()

    def _request(self, path: str, offset: int, etag: str | None) -> Any:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if etag:
            headers["If-Match"] = etag
        request = AWSRequest("GET", self._base + quote(f"{self.prefix}{path}"), headers, stream_output=True)
        self._signer.add_auth(request)
        return request.prepare()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._client.close()


def _refusal(status: int, body: bytes, place: str) -> BucketError:
    code = re.search(rb"<Code>([A-Za-z0-9]{1,60})</Code>", body)
    message = re.search(rb"<Message>([^<]{1,300})</Message>", body)
    known = code[1].decode() if code else str(status)
    said = message[1].decode(errors="replace") if message else "no message"
    return explain(known, f"HTTP {status} {known}: {said}", place)
