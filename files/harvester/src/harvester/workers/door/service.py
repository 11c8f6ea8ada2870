"""The handler: an event of API Gateway's payload 2.0, as a function URL makes it, to an answer.

POST /report_error and GET /status want the token in X-API-Token; GET /health wants none. Refusals come in this order:
429 too often, 403 no token of ours, 404 and 405 no such thing, 413 too large, 400 no report.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.workers.door.limits import Limiter
from harvester.workers.door.tokens import TokenLines
from harvester.workers.reports import MAX_BYTES, Report, parse_report

PATHS = {"/health": "GET", "/status": "GET", "/report_error": "POST"}
HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Service:
    """The parts of a door. `keep` stores a report of a worker, durably; `status` is what is known of one."""

    tokens: TokenLines
    limiter: Limiter
    keep: Callable[[str, Report], None]
    status: Callable[[str], dict[str, Any]]
    clock: Clock
    say: Callable[[str], None]


def handle(event: dict[str, Any], service: Service) -> dict[str, Any]:
    """Answer one request; whatever it holds, it raises nothing."""
    http = event.get("requestContext", {}).get("http", {})
    address, method, path = str(http.get("sourceIp", "?")), str(http.get("method", "")), str(event.get("rawPath", ""))
    now_ns = service.clock.wall_ns()
    if not service.limiter.admits(address, now_ns):
        return _answer(service, 429, {"status": "error", "reason": "too many requests"})
    if path == "/health" and method == "GET":
        stamp = datetime.fromtimestamp(now_ns // NS_PER_SECOND, UTC).isoformat()
        return _answer(service, 200, {"status": "ok", "timestamp": stamp})
    worker = _worker(event, service)
    if worker is None:
        return _answer(service, 403, {"status": "error", "reason": "forbidden"})
    if PATHS.get(path) != method:
        code = 405 if path in PATHS else 404
        return _answer(service, code, {"status": "error", "reason": "no such thing"})
    if path == "/status":
        try:
            return _answer(service, 200, service.status(worker))
        except HarvesterError as error:
            service.say(f"the status of {worker} is not known: {error}")
            return _answer(service, 500, {"status": "error", "reason": "not known; ask again"})
    return _report(event, worker, service)


def _worker(event: dict[str, Any], service: Service) -> str | None:
    try:
        service.tokens.refresh()
    except HarvesterError as error:
        service.say(f"tokens unchanged: {error}")
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    return service.tokens.worker_of(headers.get("x-api-token", ""))


def _report(event: dict[str, Any], worker: str, service: Service) -> dict[str, Any]:
    body = event.get("body") or b""
    try:
        data = (
            base64.b64decode(body) if event.get("isBase64Encoded") else body.encode() if isinstance(body, str) else body
        )
    except ValueError:
        data = b""
    if len(data) > MAX_BYTES or event.get("tooLarge"):
        return _answer(service, 413, {"status": "error", "reason": f"a report has at most {MAX_BYTES // 1024} KiB"})
    try:
        report = parse_report(data)
    except ValueError as error:
        return _answer(service, 400, {"status": "error", "reason": str(error)})
    try:
        service.keep(worker, report)
    except HarvesterError as error:
        service.say(f"a report of {worker} is lost: {error}")
        return _answer(service, 500, {"status": "error", "reason": "not kept; send it again"})
    return _answer(service, 200, {"status": "ok", "action": "repair_triggered"})


def _answer(service: Service, code: int, content: dict[str, Any]) -> dict[str, Any]:
    service.say(f"answered {code}")
    return {"statusCode": code, "headers": HEADERS, "body": json.dumps(content)}
