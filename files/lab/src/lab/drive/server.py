"""The API over HTTPS, behind a CONNECT proxy that leads Google's host names here and nowhere else."""

import json
import re
import ssl
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from lab.drive import answers
from lab.drive.answers import Answer, Mishaps
from lab.drive.files import File, Files
from lab.drive.logins import Logins
from lab.drive.queries import QueryError, read_query
from lab.drive.uploads import Sessions, UploadError, add, multipart

HOSTS = ("www.googleapis.com", "oauth2.googleapis.com", "drive.google.com")
PATH = re.compile(r"(?:/upload|/resumable/upload)?/drive/v3/files(?:/([^/]+))?\Z")
PAGE = 100


class Api(Protocol):
    """What another host than Google's answers."""

    def answer(self, method: str, address: str, headers: dict[str, str], body: bytes) -> Answer: ...


class CutError(Exception):
    """The connection ends here, without an answer."""


class Drive:
    """What the API does, without HTTP."""

    def __init__(self) -> None:
        self.files, self.logins, self.sessions, self.mishaps = Files(), Logins(), Sessions(), Mishaps()

    def answer(self, method: str, address: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a request. Raises CutError."""
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.mishaps.seen.append((method, parts.path))
        if parts.path in ("/token", "/oauth2/v4/token", "/o/oauth2/token"):
            return self.logins.give(body)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.mishaps.take("unauthorized") or not self.logins.knows(token):
            return answers.UNAUTHORIZED
        for code, name in ((403, "rate_403"), (429, "rate_429")):
            if self.mishaps.take(name):
                return answers.RATES[code]
        match = PATH.match(parts.path)
        if match is None:
            return answers.not_found(parts.path)
        with self.files.lock:
            if "upload" in parts.path.split("/drive/")[0]:
                return self._upload(method, match[1], query, headers, body, token)
            return self._plain(method, match[1], query, headers, body, token)

    def _plain(
        self, method: str, file_id: str | None, query: dict[str, str], headers: dict[str, str], body: bytes, token: str
    ) -> Answer:
        if file_id is None:
            return self._list(query) if method == "GET" else self._create(json.loads(body or b"{}"), b"", token)
        file = self.files.find(file_id)
        if file is None:
            return answers.not_found(file_id)
        if method == "GET":
            return self._download(file, headers) if query.get("alt") == "media" else answers.of(file.describe())
        if method == "PATCH":
            self.files.update(file, json.loads(body or b"{}"), None)
            return answers.of(file.describe())
        if method == "DELETE":
            self.files.remove(file)
            return Answer(204)
        return answers.error(405, "httpMethodNotAllowed", "Method not allowed")

    def _list(self, query: dict[str, str]) -> Answer:
        try:
            test = read_query(query.get("q", ""))
        except QueryError:
            return answers.error(400, "invalid", "Invalid Value")
        found = [file.describe() for file in self.files.all() if test(file)]
        begin, size = int(query.get("pageToken") or 0), int(query.get("pageSize") or PAGE)
        page: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": found[begin : begin + size],
        }
        if begin + size < len(found):
            page["nextPageToken"] = str(begin + size)
        return answers.of(page)

    def _download(self, file: File, headers: dict[str, str]) -> Answer:
        match = re.match(r"bytes=(\d+)-(\d*)\Z", headers.get("range", ""))
        if match is None:
            return Answer(200, file.data)
        begin, end = int(match[1]), int(match[2] or len(file.data) - 1)
        part = file.data[begin : end + 1]
        return Answer(206, part, {"Content-Range": f"bytes {begin}-{begin + len(part) - 1}/{len(file.data)}"})

    def _create(self, metadata: dict[str, Any], data: bytes, token: str) -> Answer:
        if refused := self._no_room(token):
            return refused
        try:
            return answers.of(self.files.create(metadata, data).describe())
        except KeyError as error:
            return answers.not_found(str(error.args[0]))

    def _no_room(self, token: str) -> Answer | None:
        if self.logins.is_service_account(token):
            return answers.SERVICE_ACCOUNT
        return answers.NO_ROOM if self.mishaps.full else None

    def _upload(
        self, method: str, file_id: str | None, query: dict[str, str], headers: dict[str, str], body: bytes, token: str
    ) -> Answer:
        if name := query.get("upload_id"):
            return self._piece(name, headers, body, token)
        if file_id is not None and self.files.find(file_id) is None:
            return answers.not_found(file_id)
        if file_id is None and (refused := self._no_room(token)):
            return refused
        try:
            if query.get("uploadType") == "resumable":
                name = self.sessions.open(json.loads(body or b"{}"), file_id)
                place = f"https://{HOSTS[0]}/upload/drive/v3/files?uploadType=resumable&upload_id={name}"
                return Answer(200, b"", {"Location": place})
            if query.get("uploadType") == "multipart":
                metadata, data = multipart(headers.get("content-type", ""), body)
                return self._store(file_id, metadata, data, token)
        except (UploadError, ValueError):
            return answers.error(400, "badRequest", "Bad Request")
        return self._store(file_id, {}, body, token)

    def _piece(self, name: str, headers: dict[str, str], body: bytes, token: str) -> Answer:
        session = self.sessions.find(name)
        if session is None:
            return answers.not_found(name)
        try:
            whole = add(session, headers.get("content-range", ""), body)
        except UploadError:
            return answers.error(400, "badRequest", "Bad Request")
        if not whole:
            so_far = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
            return Answer(308, b"", so_far)
        self.sessions.end(name)
        return self._store(session.file_id, session.metadata, bytes(session.data), token)

    def _store(self, file_id: str | None, metadata: dict[str, Any], data: bytes, token: str) -> Answer:
        if file_id is None:
            return self._create(metadata, data, token)
        file = self.files.find(file_id)
        if file is None:
            return answers.not_found(file_id)
        self.files.update(file, metadata, data)
        return answers.of(file.describe())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, drive: Drive, context: ssl.SSLContext, others: Mapping[str, Api]) -> None:
        self.drive, self.context, self.others = drive, context, others
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60
    _api: Api

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        if host not in (*HOSTS, *self.server.others) or port != "443" or self.server.drive.mishaps.away:
            self.send_error(502)
            self.close_connection = True
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False
        self._api = self.server.others.get(host, self.server.drive)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        length = int(self.headers.get("Content-Length") or 0)
        if length > 1 and "upload" in self.path and self.server.drive.mishaps.take("cut_uploads"):
            self.rfile.read(length // 2)
            raise CutError
        return self.rfile.read(length)

    def _answer(self) -> None:
        try:
            body = self._body()
            time.sleep(self.server.drive.mishaps.slow_seconds)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = self._api.answer(self.command, self.path, headers, body)
            self._send(answer)
        except (CutError, OSError):
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if "alt=media" in self.path and len(answer.body) > 1 and self.server.drive.mishaps.take("cut_downloads"):
            self.wfile.write(answer.body[: len(answer.body) // 2])
            raise CutError
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Nothing: `mishaps.seen` has each request."""


def make_server(drive: Drive, context: ssl.SSLContext, others: Mapping[str, Api]) -> ThreadingHTTPServer:
    """A proxy on loopback and a free port, which answers for Google and `others` itself; call serve_forever()."""
    return _Server(drive, context, others)
