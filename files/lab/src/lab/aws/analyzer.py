"""Access Analyzer, which moto lacks: analyzers by name, made, listed and deleted; they analyze nothing."""

import json
from collections.abc import Callable, Iterable
from typing import Any

PATH = "/analyzer"
Start = Callable[[str, list[tuple[str, str]]], Any]


class Analyzers:
    """A WSGI application for `/analyzer`, before another one for everything else.

    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_Operations.html
    """

    def __init__(self, region: str, account: str) -> None:
        self._arn = f"arn:aws:access-analyzer:{region}:{account}:analyzer/"
        self._made: dict[str, dict[str, Any]] = {}

    def answer(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """One request: PUT and GET on /analyzer, GET and DELETE on /analyzer/<name>."""
        method, name = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PATH).strip("/")
        if method == "PUT":
            asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
            return self._make(asked, start)
        if not name:
            return _say(start, "200 OK", {"analyzers": list(self._made.values())})
        if name not in self._made:
            return _say(start, "404 Not Found", {"message": f"no analyzer {name}"}, "ResourceNotFoundException")
        found = self._made.pop(name) if method == "DELETE" else self._made[name]
        return _say(start, "200 OK", {} if method == "DELETE" else {"analyzer": found})

    def _make(self, asked: dict[str, Any], start: Start) -> Iterable[bytes]:
        name, kind = asked["analyzerName"], asked["type"]
        if any(one["type"] == kind for one in self._made.values()):
            return _say(start, "402 Payment Required", {"message": "one a region"}, "ServiceQuotaExceededException")
        born = {"createdAt": "2026-11-01T00:00:00Z", "status": "ACTIVE", "tags": asked.get("tags", {})}
        self._made[name] = {"name": name, "type": kind, "arn": self._arn + name, **born}
        return _say(start, "200 OK", {"arn": self._arn + name})


def _say(start: Start, status: str, body: dict[str, Any], error: str = "") -> list[bytes]:
    headers = [("Content-Type", "application/json")]
    start(status, headers + ([("x-amzn-ErrorType", error)] if error else []))
    return [json.dumps(body).encode()]
