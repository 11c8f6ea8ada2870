"""CloudWatch Logs, as a host may use it: put events into its own stream of one log group. No more."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harvester.base import cloudwatch
from harvester.base.aws_errors import advise, cause_of
from harvester.base.errors import HarvesterError
from harvester.hostlog.entries import Entry

TRIES = 3
MOST_EVENTS, MOST_BYTES, EVENT_BYTES = 1_000, 262_144, 26
"""Of a batch; each event counts 26 bytes besides its text in UTF-8. A batch is in memory at once, and a host that dies
sends it twice, so this is a fraction of what PutLogEvents takes: 10,000 events of together 1,048,576 bytes.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""
MOST_SPAN_MS = 24 * 3600 * 1000 - 1
"""The same page: a batch may not span more than 24 hours."""
RIGHTS = "logs:CreateLogStream and logs:PutLogEvents on the log group"


class AwayError(HarvesterError):
    """CloudWatch does not answer, or turns calls away for now: the same call may do later."""


def open_client(region: str | None, endpoint_url: str | None) -> Any:
    """A client of CloudWatch Logs. Raises HarvesterError."""
    with explained("CloudWatch"):
        return cloudwatch.open_client("logs", region, endpoint_url, tries=TRIES)


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in their order, in pieces that one call may bring; what was read goes before an error of reading."""
    batch: list[Entry] = []
    size, first, last = 0, 0, 0
    try:
        for entry in entries:
            bytes_more = len(entry.text.encode()) + EVENT_BYTES
            span = max(last, entry.time_ms) - min(first, entry.time_ms)
            if batch and (len(batch) == MOST_EVENTS or size + bytes_more > MOST_BYTES or span > MOST_SPAN_MS):
                yield batch
                batch, size = [], 0
            if not batch:
                first = last = entry.time_ms
            batch.append(entry)
            size, first, last = size + bytes_more, min(first, entry.time_ms), max(last, entry.time_ms)
    except HarvesterError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def put(client: Any, group: str, stream: str, batch: Sequence[Entry]) -> int:
    """Put one batch, and make the stream where it is not there yet. Returns how many events CloudWatch does not keep.

    It wants them by time, which is journald's order but where the clock was set back. Raises AwayError, HarvesterError.
    """
    events = [{"timestamp": entry.time_ms, "message": entry.text} for entry in batch]
    events.sort(key=lambda event: int(str(event["timestamp"])))
    call = {"logGroupName": group, "logStreamName": stream}
    with explained(group):
        try:
            answer = client.put_log_events(**call, logEvents=events)
        except client.exceptions.ResourceNotFoundException:
            client.create_log_stream(**call)
            answer = client.put_log_events(**call, logEvents=events)
    refused = answer.get("rejectedLogEventsInfo") or {}
    # Too old or expired are those before the one index, in the future those from the other on.
    old = max(refused.get("tooOldLogEventEndIndex", 0), refused.get("expiredLogEventEndIndex", 0))
    return int(old + len(events) - refused.get("tooNewLogEventStartIndex", len(events)))


@contextmanager
def explained(group: str) -> Iterator[None]:
    """Turn whatever the SDK raises into an error that says what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        cause = cause_of(error)
        if cause == "missing":
            raise HarvesterError(f"{group}: there is no such log group. site.yml makes it: run site.yml.") from None
        advice = advise(cause, service="CloudWatch Logs", rights=RIGHTS, region="logs.region")
        kind = AwayError if cause in ("network", "throttled") or _failed_itself(error) else HarvesterError
        raise kind(f"{group}: {error}. {advice}") from None


def _failed_itself(error: Exception) -> bool:
    """Whether AWS says that the fault is its own."""
    response: Any = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
