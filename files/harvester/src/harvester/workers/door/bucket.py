"""The door in AWS: a function URL, whose reports wait in the bucket until an overseer takes them.

It needs the standard library and boto3 alone, because the function's archive has nothing else. Its limiter is this
process's own: the function runs once at a time (its reserved concurrency), so it is that of all callers.
"""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harvester.base.aws_errors import code_of
from harvester.base.aws_names import WORKER_INBOX
from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.tokens.stores import Store
from harvester.workers.door.limits import Limiter
from harvester.workers.door.service import Service
from harvester.workers.door.tokens import TokenLines
from harvester.workers.reports import Report

PER_MINUTE = 10
WAITING = 1_000
"""Reports of one worker that may wait; then the door says 500, and the worker's mailbox has its report."""
KEPT_NS = 60 * NS_PER_SECOND
"""A rotation is known after a minute."""


class StoredTokens(TokenLines):
    """Tokens of workers in a store of AWS, read again after a minute."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__()
        self._store, self._clock = store, clock
        self._read_ns: int | None = None
        self.refresh()

    def refresh(self) -> None:
        """Raises HarvesterError where the store cannot be read; what was read before stays in force then."""
        now_ns = self._clock.mono_ns()
        if self._read_ns is not None and now_ns - self._read_ns < KEPT_NS:
            return
        stored = self._store.read()
        if stored is None:
            raise ConfigError(
                f"{self._store.place} does not exist. Store a line NAME TOKEN for each worker: ./inv secret-put --name"
                " worker-tokens < FILE"
            )
        self.take(stored.value.get_secret_value(), self._store.place)
        self._read_ns = now_ns


def open_service(client: Any, bucket: str, store: Store, clock: Clock, say: Callable[[str], None]) -> Service:
    """The door whose reports go below WORKER_INBOX of this bucket. Raises HarvesterError where tokens are missing."""

    def waiting(worker: str) -> int:
        try:
            found = client.list_objects_v2(Bucket=bucket, Prefix=f"{WORKER_INBOX}{worker}/", MaxKeys=WAITING)
        except (BotoCoreError, ClientError) as error:
            raise HarvesterError(f"the bucket cannot be listed ({code_of(error) or type(error).__name__})") from error
        return int(found["KeyCount"])

    def keep(worker: str, report: Report) -> None:
        if waiting(worker) >= WAITING:
            raise HarvesterError(f"{WAITING} reports of {worker} wait already, so no overseer takes them")
        fields = report._asdict()
        del fields["id"]
        key, body = f"{WORKER_INBOX}{worker}/{report.id}.json", json.dumps(fields).encode()
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
        except (BotoCoreError, ClientError) as error:
            raise HarvesterError(f"the bucket takes nothing ({code_of(error) or type(error).__name__})") from error

    def status(worker: str) -> dict[str, Any]:
        return {"status": "ok", "worker": worker, "waiting": waiting(worker)}

    return Service(StoredTokens(store, clock), Limiter(PER_MINUTE, PER_MINUTE * 6), keep, status, clock, say)
