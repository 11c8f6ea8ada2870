"""Tokens of workers: a file with a line `NAME TOKEN` each. Two lines of one name are a rotation: both count."""

import hmac
from abc import ABC, abstractmethod
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.base.redaction import register_text

LEAST = 32
"""Characters: `openssl rand -hex 32` makes 64."""


class TokenLines(ABC):
    """Whose token one is, of lines that were taken from somewhere; none before that."""

    def __init__(self) -> None:
        self._known: list[tuple[str, bytes]] = []

    @abstractmethod
    def refresh(self) -> None:
        """Take what is new. Raises HarvesterError; what was taken before stays in force then."""

    def take(self, text: str, place: object) -> None:
        """Know these lines from now on. Raises ConfigError for lines that are none; `place` is where they are."""
        lines = [line.split() for line in text.splitlines() if line.strip()]
        if not lines or any(len(words) != 2 or len(words[1]) < LEAST for words in lines):
            raise ConfigError(
                f"{place}: each line must be a worker's name and a token of at least {LEAST} characters. Make one"
                " with `openssl rand -hex 32`."
            )
        for _, token in lines:
            register_text(token)
        self._known = [(name, token.encode()) for name, token in lines]

    def worker_of(self, given: str) -> str | None:
        """Whose token this is. Every known one is compared, each in constant time."""
        found = None
        for name, token in self._known:
            if hmac.compare_digest(token, given.encode("utf-8", "surrogatepass")):
                found = name
        return found


class Tokens(TokenLines):
    """Those of a file, which is read anew whenever it changes, so that a rotation needs no restart."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._state: tuple[int, int] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Raises ConfigError for a file that cannot be used; what was read before stays in force then."""
        try:
            found = self._path.stat()
            state = (found.st_mtime_ns, found.st_ino)
            if state == self._state:
                return
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self._path}: the tokens of the workers cannot be read ({type(error).__name__})."
            ) from error
        self.take(text, self._path)
        self._state = state
