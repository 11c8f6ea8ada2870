"""Questions to a person: each is asked until its answer passes its check; or the answers come from a file."""

import json
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Any, Protocol

from harvester.base.errors import ConfigError

Ask = Callable[[str, str], str]
Say = Callable[[str], None]
Check = Callable[[str], str | None]
"""Tries an answer at once: ConfigError with what to write instead; a text that is returned takes its place."""


def ask_until(text: str, default: str, check: Check, ask: Ask, say: Say) -> str:
    """The first answer that passes its check; what a check refuses is said."""
    while True:
        answer = ask(text, default).strip()
        try:
            better = check(answer)
        except ConfigError as error:
            say(str(error))
        else:
            return answer if better is None else better


class Asker(Protocol):
    """Where answers come from. `key` names one in a file; a `hidden` one is not shown while it is typed."""

    def ask(self, key: str, text: str, default: str, check: Check, *, hidden: bool = False) -> str:
        """The answer. Raises ConfigError where no more can be asked."""
        ...


class TerminalAsker:
    """A person at a terminal. ConfigError where there is none."""

    def __init__(self, say: Say, otherwise: str) -> None:
        if not sys.stdin.isatty():
            raise ConfigError(f"No terminal is here to ask at. {otherwise}")
        self._say = say

    def ask(self, key: str, text: str, default: str, check: Check, *, hidden: bool = False) -> str:
        del key
        return ask_until(text, default, check, _type_hidden if hidden else type_answer, self._say)


class FileAsker:
    """Answers by their keys; of those that are not there the default is taken."""

    def __init__(self, given: Mapping[str, str], place: Path) -> None:
        self._given, self._place = given, place
        self._unused = set(given)

    @classmethod
    def read(cls, path: Path) -> "FileAsker":
        """From a JSON object of texts. Raises ConfigError."""
        given = read_object(path)
        if not all(isinstance(value, str) for value in given.values()):
            raise ConfigError(f"{path}: write the answers as one JSON object of texts.")
        return cls(given, path)

    def refuse_unused(self) -> None:
        """ConfigError for keys that nobody asked for."""
        if self._unused:
            raise ConfigError(f"{self._place}: {', '.join(sorted(self._unused))} is not asked for. Take it out.")

    def ask(self, key: str, text: str, default: str, check: Check, *, hidden: bool = False) -> str:
        del text, hidden
        self._unused.discard(key)
        answer = self._given.get(key, default).strip()
        try:
            better = check(answer)
        except ConfigError as error:
            raise ConfigError(f"{self._place}: {key}: {error}") from None
        return answer if better is None else better


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of answers. Raises ConfigError."""
    try:
        given = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}). Correct --answers.") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}. Write the answers as one JSON object.") from None
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: write the answers as one JSON object.")
    return given


def type_answer(text: str, default: str) -> str:
    """What a person types; Enter alone takes the default. ConfigError where the terminal ends."""
    try:
        return input(f"{text}{f' [{default}]' if default else ''}: ") or default
    except EOFError:
        raise ConfigError("The answers ended before the last question, so nothing was written. Begin again.") from None


def _type_hidden(text: str, default: str) -> str:
    try:
        return getpass(f"{text} (not shown): ") or default
    except EOFError:
        raise ConfigError("The answers ended before the last question, so nothing was written. Begin again.") from None
