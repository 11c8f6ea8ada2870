"""Why a service did not take a message, in its own words: apprise returns false, and writes the rest to its log."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harvester.base.redaction import one_line

LENGTH = 400
WORDS = ("description", "message", "error_description", "error", "errors", "detail", "title", "reason")
"""Where services put their words: Telegram `description`, Discord and Graph `message`, Slack `error`, ..."""
ANSWER = re.compile(r"Response Details:\s*(b?['\"].*)", re.DOTALL)
EXCEPTION = re.compile(r"(?:Socket|SMTP|I/O|\w+) Exception: (.*)", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.levelno, record.getMessage()))


@contextmanager
def listening() -> Iterator[list[tuple[int, str]]]:
    """What apprise logs meanwhile, by level. None of it reaches our own log: at DEBUG it names addresses."""
    logger, listener = logging.getLogger("apprise"), _Listener()
    before = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def words_of(said: list[tuple[int, str]]) -> str:
    """One line: apprise's warnings, and the answer of the service or of the network where they lack it."""
    parts: list[str] = []
    for level, text in said:
        found = ANSWER.search(text) or EXCEPTION.search(text)
        words = _answer(found[1]) if found else text if level >= logging.WARNING else ""
        if words and not any(words in part for part in parts):
            parts.append(words)
    return one_line("; ".join(parts) or "it gave no reason", LENGTH)


def _answer(text: str) -> str:
    """The words in what a service answered: of JSON, of HTML, or as they are."""
    try:
        value: Any = ast.literal_eval(text)
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except (ValueError, SyntaxError):
        pass
    try:
        found = json.loads(text)
    except ValueError:
        return one_line(TAG.sub(" ", text), LENGTH) if text.strip() else ""
    return _find(found) or one_line(text, LENGTH)


def _find(answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return "; ".join(filter(None, map(_find, answer)))
    if isinstance(answer, dict):
        return next((words for key in WORDS if key in answer and (words := _find(answer[key]))), "")
    return ""
