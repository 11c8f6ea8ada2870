"""The file through which the token agent hands the token to the recorder: written whole, readable by one group."""

import json
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.base.redaction import Secret, register_secret

MODE = 0o440
MAX_BYTES = 65_536


class Token(NamedTuple):
    """An access token as handed over; `version` names it in logs and status.

    `login_ends_ns`: until when the agent can renew it, where it does.
    """

    access_token: Secret
    version: str
    expires_at_ns: int
    login_ends_ns: int | None = None


def write_handover(path: Path, token: Token) -> None:
    """Replace the handover file in one step, mode 0440. Raises HarvesterError."""
    content: dict[str, str | int] = {
        "access_token": token.access_token.get_secret_value(),
        "version": token.version,
        "expires_at_ns": token.expires_at_ns,
    }
    if token.login_ends_ns is not None:
        content["login_ends_ns"] = token.login_ends_ns
    text = json.dumps(content)
    try:
        replace_file(path, text, MODE)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the token could not be handed over ({error.strerror}). The directory must be writable for the"
            " token agent's user; the recorder keeps the token it has."
        ) from error


def identify(path: Path) -> tuple[int, int, int] | None:
    """By what one file is told from another of its name; None: there is none. A corrected mode counts as a change."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_ctime_ns, stat.st_size


class HandoverReader:
    """Reads the handover file whenever its stat has changed. A token that was read outlives the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def read_new(self) -> Token | None:
        """The token, if the file changed since the last call and holds a whole one; else None.

        Raises HarvesterError, once per change of the file, when it cannot be read or is not a handover.
        """
        try:
            identity = identify(self._path)
        except OSError as error:
            raise HarvesterError(f"{self._path}: the token cannot be reached ({error.strerror}).") from error
        if identity is None or identity == self._seen:
            return None
        self._seen = identity
        token = self._parse()
        register_secret(token.access_token)
        return token

    def _parse(self) -> Token:
        try:
            with self._path.open("rb") as file:
                data = json.loads(file.read(MAX_BYTES))
            token = Token(Secret(data["access_token"]), str(data["version"]), int(data["expires_at_ns"]))
            if "login_ends_ns" in data:
                token = token._replace(login_ends_ns=int(data["login_ends_ns"]))
            if not isinstance(data["access_token"], str) or not data["access_token"].isascii():
                raise ValueError("not text")
        except OSError as error:
            raise HarvesterError(
                f"{self._path}: the token cannot be read ({error.strerror}); the recorder's user must be in its group."
            ) from error
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HarvesterError(f"{self._path}: not a token handover; restart the token agent.") from None
        return token
