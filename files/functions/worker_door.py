"""worker-door: error reports of workers elsewhere, over HTTPS, into the bucket from which an overseer takes them.

Called through its own public URL, so the code is the guard: see harvester.workers.door.service.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.redaction import redact
from harvester.page.function import setting, store
from harvester.tokens.aws_stores import open_client
from harvester.workers.door.bucket import open_service
from harvester.workers.door.service import HEADERS, Service, handle


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of a function URL (payload 2.0)."""
    try:
        service = _open()
    except HarvesterError as error:
        print(redact(f"not ready: {error}"))
        return {"statusCode": 503, "headers": HEADERS, "body": '{"status": "error", "reason": "not ready"}'}
    return handle(dict(event), service)


@lru_cache(maxsize=1)
def _open() -> Service:
    """The door of this process, whose limiter goes on from call to call."""
    client = open_client("s3", None)
    return open_service(
        client, setting("BUCKET"), store("worker_tokens"), SystemClock(), lambda line: print(redact(line))
    )
