"""OpenSSH to a host by the inventory's own settings: one shared connection, clear reasons when it cannot be had.

Nothing secret is ever part of a command here: arguments are visible to every user of both machines.
"""

import hashlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host

REFUSED = 255  # ssh's own exit code; a command's code is passed through unchanged
ANSWER_SECONDS = 20
# A socket's path has at most 107 bytes; ssh needs 45 for its name and 17 for a temporary ending.
LONGEST_DIRECTORY = 107 - 1 - 45 - 17
OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ControlMaster=auto",
    "ControlPersist=60",
    "LogLevel=ERROR",
)
IN_THE_LAB = "In the lab, `./inv lab-up` starts it."
REASONS = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key is not the one known here", "If the host was rebuilt, "
     "remove the old key with `ssh-keygen -R ADDRESS` and connect once by hand; if not, someone may be in between."),
    ("Host key verification failed", "its host key is not known here", "Connect once by hand with `ssh ADDRESS`, "
     "compare the fingerprint with the one the provider's console shows, and accept it."),
    ("UNPROTECTED PRIVATE KEY FILE", "the private key may be read by others", "Run `chmod 600` on the key file."),
    ("Permission denied", "it does not accept this user and key", "Check ansible_user and "
     "ansible_ssh_private_key_file in the inventory; the matching public key must be on the host."),
    ("Could not resolve hostname", "the name does not resolve", "Check ansible_host in the inventory."),
    ("Connection refused", "nothing listens on its SSH port", f"Is the host up, and its SSH port right? {IN_THE_LAB}"),
    ("timed out", "it does not answer", "Is the host running, and does its firewall or security group let you in "
     f"from here? {IN_THE_LAB}"),
    ("No route to host", "there is no way to it from here", f"Is the host running? {IN_THE_LAB}"),
)  # fmt: skip


NO_SUDO = "Give the login user NOPASSWD sudo (cloud images do), or correct ansible_user in the inventory."


class RemoteError(HarvesterError):
    """A host cannot be reached, or a command on it failed."""


class UnreachableError(RemoteError):
    """The host itself cannot be reached, so nothing else on it can be tried either."""


class SshConnection:
    """Commands on one host over one OpenSSH connection that later commands share."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def argv(self, command: Sequence[str], *, terminal: bool = False) -> list[str]:
        """The local argument list that runs `command` (words, quoted here for the remote shell) on the host."""
        return [*self.shell(terminal=terminal), self.host.address, "--", shlex.join(command)]

    def shell(self, *, terminal: bool = False) -> list[str]:
        """The words before the host's address, as programs want them that start ssh themselves."""
        return ["ssh", "-t" if terminal else "-T", *self._options()]

    def _options(self) -> list[str]:
        host = self.host
        arguments = [*host.ssh_arguments]  # first, for of two values of an option ssh takes the first
        for option in OPTIONS:
            arguments += ["-o", option]
        arguments += ["-o", f"ControlPath={_control_directory(host)}/ops-%C"]
        if host.key_file:
            arguments += ["-i", str(host.key_file), "-o", "IdentitiesOnly=yes"]
        arguments += ["-p", str(host.port)] if host.port else []
        arguments += ["-l", host.user] if host.user else []
        return arguments

    def run(
        self, command: Sequence[str], *, given: bytes | None = None, timeout_seconds: float = 120
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to the end and return its code, output and messages; RemoteError when the host cannot be reached."""
        self.check_key()
        try:
            done = subprocess.run(
                self.argv(command), input=given or b"", capture_output=True, check=False, timeout=timeout_seconds
            )
        except subprocess.TimeoutExpired:
            self._require_answer()
            raise RemoteError(
                f"{self.host.name} ({self.host.address}) did not finish `{shlex.join(command)}` within "
                f"{timeout_seconds:.0f} s. Try again; if it stays so, look at the host's load with `./inv logs`."
            ) from None
        if done.returncode == REFUSED:
            raise self.refusal(done.stderr)
        return done

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command whose output is read while it runs; the caller waits for it."""
        self.check_key()
        return subprocess.Popen(
            self.argv(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )

    def close(self) -> None:
        """End the shared connection now instead of a minute after its last use."""
        command = ["ssh", *self._options(), "-O", "exit", self.host.address]
        subprocess.run(command, capture_output=True, check=False, timeout=20)

    def _require_answer(self) -> None:
        """UnreachableError when the host takes no new connection: the shared one shows for long not that it is gone.

        That connection is then ended, so that the next command asks the host itself.
        """
        command = ["ssh", "-T", "-o", "ControlPath=none", *self._options(), self.host.address, "--", "true"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=ANSWER_SECONDS
            )
        except subprocess.TimeoutExpired:
            self.close()
            raise self.refusal(b"timed out") from None
        if done.returncode == REFUSED:
            self.close()
            raise self.refusal(done.stderr)

    def check_key(self) -> None:
        """RemoteError when the inventory names a key file that is not there (ssh would only say: denied)."""
        key = self.host.key_file
        if key and not key.exists():
            raise UnreachableError(
                f"The inventory names the SSH key {key} for {self.host.name}, and there is no such file. Correct "
                "ansible_ssh_private_key_file or put the key there (in the lab: `./inv lab-up`)."
            )

    def refusal(self, messages: bytes) -> UnreachableError:
        """Why ssh could not reach the host, in words, from what it wrote to its standard error."""
        text = messages.decode(errors="replace")
        where = f"{self.host.name} ({self.host.user or 'you'}@{self.host.address}:{self.host.port or 22})"
        for mark, reason, remedy in REASONS:
            if mark in text:
                return UnreachableError(
                    f"Cannot reach {where}: {reason}. {remedy.replace('ADDRESS', self.host.address)}"
                )
        said = " ".join(text.split())[:300] or "the connection broke without a message"
        return UnreachableError(f"Cannot reach {where}: {said}. Run `./inv doctor` to find the reason.")


def _control_directory(host: Host) -> Path:
    """A directory of this user alone for the connection's socket; one with a short path, for a socket's is limited."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    directory = host.control_directory or base / f"alpha-harvester-{os.getuid()}"
    if len(os.fsencode(directory)) > LONGEST_DIRECTORY:
        name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:8]
        directory = Path("/tmp") / f"alpha-harvester-{os.getuid()}-{name}"  # noqa: S108  # checked below
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or directory.is_symlink():
        raise RemoteError(
            f"{directory} belongs to another user or may be written by others, so no SSH connection is kept there. "
            "Remove it or set XDG_RUNTIME_DIR to a directory of your own."
        )
    return directory
