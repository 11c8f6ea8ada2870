"""A bucket in this process, under the real client of the SDK: requests are signed and serialised, and end here.

It answers as the Amazon S3 API reference says of PutObject, HeadObject, CreateMultipartUpload, UploadPart,
CompleteMultipartUpload and AbortMultipartUpload, refuses what the uploader must never send, and fails on demand.
"""

import hashlib
import io
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.awsrequest import AWSResponse


def b64(digest: bytes) -> str:
    return b64encode(digest).decode()


@dataclass
class Object:
    """What is stored; `checksum` is None for an object that was put without one."""

    content: bytes
    checksum: str | None
    version: str = "v1"

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


@dataclass
class Request:
    method: str
    key: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.key}"


class Raw(io.BytesIO):
    """The part of urllib3's response that the SDK reads."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def answer(status: int, headers: dict[str, str] | None = None, body: str = "") -> AWSResponse:
    return AWSResponse("http://s3", status, headers or {}, Raw(body.encode()))


def refusal(status: int, code: str, message: str = "as told") -> AWSResponse:
    """An error with a body, as all but HEAD get."""
    return answer(status, {}, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")


@dataclass
class Bucket:
    """Objects by key, uploads in parts by number, and every request in order."""

    name: str
    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, dict[int, tuple[bytes, str]]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    faults: list[tuple[str, Callable[[Request], AWSResponse | None], bool]] = field(default_factory=list)

    def fail(
        self, on: str, what: Callable[[Request], AWSResponse | None], times: int = 1, *, after: bool = False
    ) -> None:
        """Answer requests that match "METHOD key" so; `after`: do what was asked first, and lose the answer."""
        self.faults += [(on, what, after)] * times

    def said(self, begin: str = "") -> list[str]:
        return [said for request in self.asked if (said := str(request)).startswith(begin)]

    def handle(self, request: Any, **_: Any) -> AWSResponse:
        """A handler of the SDK's event before-send."""
        url = urlsplit(request.url)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        body = request.body or b""
        content = body if isinstance(body, bytes) else body.read()
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        asked = Request(request.method, key, parse_qs(url.query, keep_blank_values=True), headers, content)
        assert bucket == self.name, f"another bucket: {request.url}"
        assert "authorization" in headers or "x-amz-security-token" in headers, "not signed"
        self.asked.append(asked)
        for number, (on, what, after) in enumerate(self.faults):
            if re.search(on, str(asked)):
                del self.faults[number]
                if after:
                    self._serve(asked)
                return what(asked) or self._serve(asked)
        return self._serve(asked)

    def _serve(self, request: Request) -> AWSResponse:
        kind = request.method, *(name for name in ("uploads", "partNumber", "uploadId") if name in request.query)
        serve = {
            ("PUT",): self._put,
            ("HEAD",): self._head,
            ("POST", "uploads"): self._begin,
            ("PUT", "partNumber", "uploadId"): self._part,
            ("POST", "uploadId"): self._complete,
            ("DELETE", "uploadId"): self._abort,
        }
        assert kind in serve, f"the uploader may not ask for this: {request}"
        return serve[kind](request)

    def _check(self, request: Request) -> AWSResponse | None:
        """Length and checksum of a body; the codes are those of the API reference, "Error responses"."""
        assert int(request.headers["content-length"]) == len(request.body)
        assert request.headers["x-amz-sdk-checksum-algorithm"] == "SHA256"
        if request.headers["x-amz-checksum-sha256"] != b64(hashlib.sha256(request.body).digest()):
            return refusal(400, "XAmzContentChecksumMismatch")
        return None

    def _put(self, request: Request) -> AWSResponse:
        assert request.headers["if-none-match"] == "*", "it may overwrite nothing"
        if wrong := self._check(request):
            return wrong
        return self._store(request.key, request.body, request.headers["x-amz-checksum-sha256"])

    def _store(self, key: str, content: bytes, checksum: str) -> AWSResponse:
        if key in self.objects:
            return refusal(412, "PreconditionFailed")
        self.objects[key] = stored = Object(content, checksum)
        return answer(200, {"ETag": stored.etag})

    def _head(self, request: Request) -> AWSResponse:
        if not request.key:  # HeadBucket: the SDK asks for the region where HeadObject was answered by 400
            return answer(200, {"x-amz-bucket-region": "ap-south-1"})
        assert request.headers["x-amz-checksum-mode"] == "ENABLED", "else S3 states no checksum"
        if (stored := self.objects.get(request.key)) is None:
            return answer(404)
        headers = {"ETag": stored.etag, "Content-Length": str(len(stored.content)), "x-amz-version-id": stored.version}
        headers["Last-Modified"] = "Fri, 20 Nov 2026 11:00:00 GMT"
        return answer(200, headers | ({"x-amz-checksum-sha256": stored.checksum} if stored.checksum else {}))

    def _begin(self, request: Request) -> AWSResponse:
        assert request.headers["x-amz-checksum-algorithm"] == "SHA256"
        number = f"upload-{len(self.asked)}"
        self.uploads[number] = {}
        return answer(
            200, {}, f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
        )

    def _part(self, request: Request) -> AWSResponse:
        if wrong := self._check(request):
            return wrong
        (upload,), (number,) = request.query["uploadId"], request.query["partNumber"]
        etag = f'"part-{number}"'
        self.uploads[upload][int(number)] = request.body, request.headers["x-amz-checksum-sha256"]
        return answer(200, {"ETag": etag})

    def _complete(self, request: Request) -> AWSResponse:
        assert request.headers["if-none-match"] == "*", "it may overwrite nothing"
        (upload,) = request.query["uploadId"]
        parts = self.uploads[upload]
        named = re.findall(r"<Part>(.*?)</Part>", request.body.decode(), re.DOTALL)
        told = [dict(re.findall(r"<(\w+)>([^<]*)</", part)) for part in named]
        assert [int(part["PartNumber"]) for part in told] == sorted(parts) == list(range(1, len(parts) + 1))
        assert [part["ChecksumSHA256"] for part in told] == [parts[number][1] for number in sorted(parts)]
        assert [part["ETag"].replace("&quot;", '"') for part in told] == [
            f'"part-{number}"' for number in sorted(parts)
        ]
        del self.uploads[upload]
        digests = b"".join(hashlib.sha256(parts[number][0]).digest() for number in sorted(parts))
        checksum = f"{b64(hashlib.sha256(digests).digest())}-{len(parts)}"
        done = self._store(request.key, b"".join(parts[number][0] for number in sorted(parts)), checksum)
        if done.status_code != 200:
            return done
        return answer(200, {}, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def _abort(self, request: Request) -> AWSResponse:
        self.uploads.pop(request.query["uploadId"][0], None)
        return answer(204)
