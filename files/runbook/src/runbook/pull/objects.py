"""Reading a bucket: what is there, and objects from any byte on; needs s3:ListBucket and s3:GetObject, no more.

Listing goes through the SDK. Objects are read through the connection pool below it: the SDK's own call takes several
times the CPU of what is done here.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlsplit

import botocore.session
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3 import PoolManager, ProxyManager, Timeout
from urllib3.exceptions import HTTPError

from harvester.upload.bucket import CONNECT_SECONDS, READ_SECONDS
from harvester.upload.trouble import BucketError, TransientError, explain, explained
from runbook.pull.signing import Signer

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
        session = botocore.session.get_session()
        with explained(self.home):
            credentials = session.get_credentials()
            shown = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        if credentials is None:
            raise BucketError(f"{self.home}: there are no AWS credentials. Set AWS_PROFILE or log in to AWS.")
        self._base = urlsplit(shown)
        self._signer = Signer(credentials, client.meta.region_name)
        self._pool = _open_pool(shown, session.get_config_variable("ca_bundle") or get_cert_path(True))

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
        headers = {"range": f"bytes={offset}-"} if offset else {}
        if etag:
            headers["if-match"] = etag
        target = self._base.path.removesuffix("k") + quote(f"{self.prefix}{path}")
        headers = self._signer.sign(self._base.netloc, target, headers)
        with self._reachable(path):
            # What came before a break is kept only where nothing is decoded.
            answer = self._pool.urlopen("GET", target, headers=headers, preload_content=False, decode_content=False)
        wanted = 206 if offset else 200
        if answer.status != wanted:
            with self.reading(path, answer) as body:
                raise _refusal(answer.status, body.read(ERROR_BYTES), f"{self.home}{path}")
        return answer

    @contextmanager
    def reading(self, path: str, body: Any) -> Iterator[IO[bytes]]:
        """Read an answer of `start`; TransientError when it breaks off. The connection is given back at the end."""
        try:
            with self._reachable(path):
                yield body
        finally:
            if body.length_remaining:
                body.close()
            body.release_conn()

    @contextmanager
    def _reachable(self, path: str) -> Iterator[None]:
        try:
            yield
        except (HTTPError, ConnectionError, TimeoutError) as error:
            raise TransientError(f"{self.home}{path}: {error}. Pull again to continue.") from None

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
        self._client.close()


def _open_pool(url: str, certificates: str) -> Any:
    """Connections to one host, checked against the authorities that the SDK would ask."""
    options: dict[str, Any] = {
        "timeout": Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        "maxsize": WORKERS,
        "block": True,
        "retries": False,
        "ca_certs": certificates,
    }
    proxy = get_environ_proxies(url).get(urlsplit(url).scheme)
    manager = ProxyManager(proxy, **options) if proxy else PoolManager(**options)
    return manager.connection_from_url(url)


def _refusal(status: int, body: bytes, place: str) -> BucketError:
    code = re.search(rb"<Code>([A-Za-z0-9]{1,60})</Code>", body)
    message = re.search(rb"<Message>([^<]{1,300})</Message>", body)
    known = code[1].decode() if code else str(status)
    said = message[1].decode(errors="replace") if message else "no message"
    return explain(known, f"HTTP {status} {known}: {said}", place)
