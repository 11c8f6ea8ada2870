"""A bucket to read from, in this process: listings under the SDK's own client, objects in place of obstore's `get`.

Listings answer as the Amazon S3 API reference says of ListObjectsV2; `get` as obstore documents it: a stream of chunks,
an ETag that must match, a range that begins at an offset. Nothing but these two may be asked. obstore itself does not
survive the fork in which a mutant runs; it is the matter of tests/s3.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from obstore.exceptions import PreconditionError

NAME, PREFIX = "market-data", "lake/"


class Raw(io.BytesIO):
    """The part of urllib3's response that the SDK reads."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@dataclass
class Objects:
    """Contents by key; what was asked; faults by key, each used once, which may give a part before they strike."""

    contents: dict[str, bytes] = field(default_factory=dict)
    page: int = 1000
    listed: list[str] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    faults: dict[str, list[tuple[int, Exception]]] = field(default_factory=dict)
    spoil: list[Callable[[str], str]] = field(default_factory=list)
    """Changes to the next listings' answers."""

    def handle(self, request: Any, **_: Any) -> AWSResponse:
        """A handler of the SDK's event before-send."""
        url = urlsplit(request.url)
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        assert (request.method, unquote(url.path), query["list-type"]) == ("GET", f"/{NAME}", "2"), request.url
        prefix = query["prefix"]
        self.listed.append(prefix)
        keys = [key for key in sorted(self.contents) if key.startswith(prefix)]
        start = int(query.get("continuation-token", 0))
        here, more = keys[start : start + self.page], len(keys) > start + self.page
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>{escape(etag(self.contents[key]))}</ETag>"
            f"<Size>{len(self.contents[key])}</Size></Contents>"
            for key in here
        )
        token = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>" if more else ""
        said = (
            f"<ListBucketResult><KeyCount>{len(here)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{rows}</ListBucketResult>"
        )
        status = 200
        if self.spoil:
            said = self.spoil.pop(0)(said)
            status = 403 if said.startswith("<Error>") else 200
        return AWSResponse("http://s3", status, {}, Raw(said.encode()))

    def get(self, store: Any, key: str, *, options: dict[str, Any]) -> "Answer":
        assert store == NAME, store
        self.asked.append((key, options))
        if key not in self.contents:
            raise FileNotFoundError(key)
        content = self.contents[key]
        if options.get("if_match") not in (None, etag(content)):
            raise PreconditionError(key)
        fault = self.faults[key].pop(0) if self.faults.get(key) else None
        offset = options.get("range", {"offset": 0})["offset"]
        assert options.keys() <= {"if_match", "range"} and 0 <= offset <= len(content)
        return Answer(content[offset:], fault)


@dataclass
class Answer:
    """What `get` gives: four bytes at a time, until the fault."""

    content: bytes
    fault: tuple[int, Exception] | None

    def stream(self, min_chunk_size: int) -> Iterator[bytes]:
        assert min_chunk_size == 64 << 10
        for begin in range(0, len(self.content), 4):
            if self.fault and begin >= self.fault[0]:
                raise self.fault[1]
            yield self.content[begin : begin + 4]
