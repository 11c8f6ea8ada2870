"""The state directory: the app's credentials, keys, certificates and what tokens were revoked."""

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TextIO

from harvester.base.errors import ConfigError, HarvesterError


def write_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` in one step, with the mode set before the first byte."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


APP_ID_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


@dataclass(frozen=True)
class App:
    """The registered application and its only user, all made up."""

    app_id: str
    secret: str
    redirect_uri: str
    user: str
    pin: str
    other_redirect_uris: list[str] = field(default_factory=list)

    @classmethod
    def invent(cls) -> "App":
        """Random credentials in the broker's formats; the app id has its usual 14 characters."""
        letters = "".join(secrets.choice(APP_ID_LETTERS) for _ in range(10))
        pin = "".join(secrets.choice("0123456789") for _ in range(4))
        return cls(f"{letters}-100", secrets.token_hex(8).upper(), "http://127.0.0.1:8080/", "XX00000", pin)


class StateDir:
    """Files of one exchange. Raises ConfigError when they cannot be made or read."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.ca = self.path / "ca.pem"
        self.ready = self.path / "ready.json"
        self.control = self.path / "control.sock"
        self.served = self.path / "served.jsonl"
        self.frames = self.path / "frames"
        self.revoked = self.path / "revoked.json"
        self._lock: TextIO | None = None
        self._app = self.path / "app.json"
        self._key = self.path / "token.key"

    def prepare(self) -> "StateDir":
        """Make what is missing."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._app.exists():
                self._write(App.invent())
            if not self._key.exists():
                write_file(self._key, secrets.token_bytes(32))
        except OSError as error:
            raise ConfigError(
                f"{self.path}: the exchange cannot keep its state there ({error.strerror}). Name a directory that"
                " this user may write with --state."
            ) from error
        return self

    def register(self, redirect_uris: Sequence[str]) -> None:
        """Make these the app's redirect addresses; none: they stay what they were."""
        if redirect_uris:
            first, *others = redirect_uris
            self._write(replace(self.app(), redirect_uri=first, other_redirect_uris=others))

    def _write(self, app: App) -> None:
        write_file(self._app, (json.dumps(asdict(app), indent=2) + "\n").encode())

    def lock(self) -> None:
        """Keep a second exchange off this directory until `unlock`, or until this process ends."""
        self._lock = (self.path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.unlock()
            raise HarvesterError(
                f"{self.path}: another exchange runs on this state directory. Stop it, or choose another with --state."
            ) from error

    def unlock(self) -> None:
        """Release the lock of the directory."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def app(self) -> App:
        """The registered application."""
        try:
            return App(**json.loads(self._app.read_text()))
        except (OSError, ValueError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(
                f"{self._app}: not the credentials of an exchange ({why}). Name the state directory of a running"
                " exchange with --state, or remove the directory to have new ones made."
            ) from error

    def token_key(self) -> bytes:
        """The key that signs tokens."""
        try:
            return self._key.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{self._key}: cannot be read ({error.strerror}). Start `exchange serve` on this state directory"
                " first, and call as a user who may read it."
            ) from error
