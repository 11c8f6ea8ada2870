"""Log lines: key-values on stdout, masked; under systemd without times of our own, with the priority as a prefix."""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from harvester.base.redaction import redact

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
NOISY = ("httpx", "httpcore", "asyncio", "boto3", "botocore", "urllib3")
"""Libraries held at WARNING at all times: at DEBUG botocore prints decrypted parameters (boto3 issue 1203)."""


def configure_logs(*, debug: bool = False) -> None:
    """Set up structlog and the standard library's logging, once per process."""
    under_systemd = "JOURNAL_STREAM" in os.environ
    level = logging.DEBUG if debug else logging.INFO
    times = [] if under_systemd else [structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *times,
            structlog.processors.format_exc_info,
            _Renderer(priority_prefix=under_systemd),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_RedactingFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Renderer:
    """One logfmt line; secrets are masked before quoting, so that no escape can hide one, and after it."""

    def __init__(self, *, priority_prefix: bool) -> None:
        self._render = structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event"], drop_missing=True, bool_as_flag=False
        )
        self._priority_prefix = priority_prefix

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.get("level", "info"))
        line = redact(self._render(logger, name, {key: _plain(value) for key, value in event.items()}))
        return f"<{PRIORITIES.get(level, 6)}>{line}" if self._priority_prefix else line


def _plain(value: Any) -> Any:
    """Numbers as they are, everything else as masked text on one line."""
    return value if isinstance(value, int | float) else redact(str(value)).replace("\r", " ")


class _RedactingFormatter(logging.Formatter):
    """Lines of libraries in our shape; masked before quoting, because an escape could hide a secret."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"level={record.levelname.lower()} event={redact(record.getMessage())!r} logger={record.name}"
        if record.exc_info:
            line += f" exception={redact(self.formatException(record.exc_info))!r}"
        return redact(line)
