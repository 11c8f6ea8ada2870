"""A folder as an S3 bucket, to read only: as little server as possible, so that clients are what is measured.

ListObjectsV2 (pages of 1,000) and GetObject (Range, If-Match), signatures not looked at. Runs as a process of its own:
`python static_s3.py FOLDER` prints its port.
"""

import hashlib
import os
import re
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000


class Folder:
    """The objects: key -> (path, size, ETag), all read at the start."""

    def __init__(self, root: Path) -> None:
        found = sorted(path for path in root.rglob("*") if path.is_file())
        self.objects = {
            path.relative_to(root).as_posix(): (
                os.open(path, os.O_RDONLY),
                path.stat().st_size,
                f'"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"',
            )
            for path in found
        }

    def page(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", [""])[0]
        keys = [key for key in self.objects if key.startswith(prefix) and key > after]
        shown, more = keys[:PAGE], len(keys) > PAGE
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(self.objects[key][2])}</ETag><Size>{self.objects[key][1]}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in shown
        )
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        ).encode()


def serve(connection: socket.socket, folder: Folder) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in waiting:
                came = connection.recv(65536)
                if not came:
                    return
                waiting += came
            head, _, waiting = waiting.partition(b"\r\n\r\n")
            answer(connection, head.decode("latin-1"), folder)


def answer(connection: socket.socket, head: str, folder: Folder) -> None:
    method, target, _ = head.split("\r\n", 1)[0].split(" ")
    parts = urlsplit(target)
    key = unquote(parts.path).lstrip("/").partition("/")[2]
    if not key:
        reply(connection, 200, folder.page(parse_qs(parts.query)))
        return
    if key not in folder.objects:
        reply(connection, 404, b"<Error><Code>NoSuchKey</Code></Error>")
        return
    descriptor, size, etag = folder.objects[key]
    wanted = re.search(r"\r\nRange: bytes=(\d+)-(\d*)", head, re.IGNORECASE)
    first = int(wanted[1]) if wanted else 0
    last = min(size - 1, int(wanted[2]) if wanted and wanted[2] else size - 1)
    status = "206 Partial Content" if wanted else "200 OK"
    shown = f"Content-Range: bytes {first}-{last}/{size}\r\n" if wanted else ""
    connection.sendall(
        f"HTTP/1.1 {status}\r\nETag: {etag}\r\nContent-Length: {last + 1 - first}\r\n{shown}"
        "Accept-Ranges: bytes\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n".encode(),
        socket.MSG_MORE,
    )
    while method == "GET" and first <= last:
        first += os.sendfile(connection.fileno(), descriptor, first, last + 1 - first)


def reply(connection: socket.socket, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def main() -> None:
    folder = Folder(Path(sys.argv[1]))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=serve, args=(connection, folder), daemon=True).start()


if __name__ == "__main__":
    main()
