"""Uploads: metadata and content in one body, or a session that content comes to in pieces."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

RANGE = re.compile(r"bytes (?:\*|(\d+)-(\d+))/(\*|\d+)\Z")


class UploadError(ValueError):
    """Drive answers 400 to such a body."""


@dataclass
class Session:
    """What came of a resumable upload. `file_id`: which file it replaces; None: a new one."""

    metadata: dict[str, Any]
    file_id: str | None
    data: bytearray = field(default_factory=bytearray)


class Sessions:
    """By the id in their address."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._numbers: Iterator[int] = itertools.count(1)

    def open(self, metadata: dict[str, Any], file_id: str | None) -> str:
        name = f"upload{next(self._numbers)}"
        self._sessions[name] = Session(metadata, file_id)
        return name

    def find(self, name: str) -> Session | None:
        return self._sessions.get(name)

    def end(self, name: str) -> None:
        self._sessions.pop(name, None)


def add(session: Session, content_range: str, data: bytes) -> bool:
    """Take a piece; True: the content is whole. Pieces that came before count once. Raises UploadError."""
    match = RANGE.match(content_range) if content_range else None
    if not content_range:
        session.data[:] = data
        return True
    if match is None:
        raise UploadError("Content-Range is no range")
    begin, total = match[1], match[3]
    if begin is not None:
        if int(begin) > len(session.data):
            raise UploadError("a piece is missing")
        session.data[int(begin) :] = data
    return total != "*" and len(session.data) == int(total)


def multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Metadata and content of a multipart/related body. Raises UploadError."""
    match = re.search(r'boundary="?([^";]+)"?', content_type)
    if match is None:
        raise UploadError("no boundary")
    mark = b"--" + match[1].encode()
    end = b"\r\n" if body.startswith(mark + b"\r\n") else b"\n"  # Google's own client ends lines so
    parts = (end + body).split(end + mark)
    if len(parts) != 4:
        raise UploadError("a body has two parts")
    metadata, content = (part.split(end * 2, 1)[1] for part in parts[1:3])
    try:
        read = json.loads(metadata)
    except ValueError as error:
        raise UploadError("the metadata are no JSON") from error
    return read, content
