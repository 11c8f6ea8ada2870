"""A mailbox behind any remote of rclone's: Drive, WebDAV, SFTP and some seventy others.

Its tokens are in rclone's configuration file, mode 0600, where rclone itself writes refreshed ones back; they never
reach argv or the environment. Its exit codes: https://rclone.org/docs/#exit-code.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from harvester.base.redaction import one_line
from harvester.workers.mailbox import MAX_BYTES, Entry, MailboxError, bounded

NO_FOLDER, NO_FILE = 3, 4
SECONDS = 600
"""A verb that takes longer is given up; what is large goes on from where it was, with the next."""
OPTIONS = ("--retries", "2", "--low-level-retries", "4", "--contimeout", "15s", "--timeout", "60s")
SERVICE_ACCOUNT = (
    "a service account has no room of its own in a person's Drive: it can read and update files there, and create none."
    " Log in as a person instead (docs/workers.md, Drive), or use a Shared Drive"
)
# The first one that its words hold counts. Drive's: developers.google.com/workspace/drive/api/guides/handle-errors
REASONS = (
    ("do not have storage quota", SERVICE_ACCOUNT),
    ("storageQuotaExceeded", "the Drive is full. Make room in it"),
    ("RateLimitExceeded", "it was asked too often. The next look may do"),
    ("invalid_grant", "its login is not good any more. Log in again (docs/workers.md, Drive)"),
    ("invalid_client", "the client id or secret of its remote is wrong. Correct rclone's configuration"),
    ("authError", "its token is refused. Log in again (docs/workers.md, Drive)"),
    ("didn't find section", "rclone knows no remote of this name. Correct the mailbox, or rclone's configuration"),
    ("directory not found", "its folder is not there. Create it, or correct the mailbox"),
    ("no such host", "the network does not answer. The next look may do"),
    ("connection refused", "the network does not answer. The next look may do"),
)


class Rclone(NamedTuple):
    """The program and its configuration file."""

    program: str
    config: Path


class RcloneMailbox:
    """`place` is REMOTE:FOLDER, as rclone has it."""

    def __init__(self, place: str, rclone: Rclone) -> None:
        self._place, self._rclone = place, rclone

    def look(self) -> list[Entry]:
        done = self._run("lsjson", "--files-only", self._place)
        if done.returncode:
            raise self._refused("cannot be looked at", done.stderr)
        try:
            return sorted(
                Entry(row["Name"], row["Size"], row.get("ID") or row["Name"]) for row in json.loads(done.stdout)
            )
        except (ValueError, KeyError, TypeError) as error:
            raise self._refused("cannot be looked at", b"rclone printed no list") from error

    def read(self, name: str) -> bytes | None:
        done = self._run("cat", "--count", str(MAX_BYTES + 1), self._at(name))
        if done.returncode in (NO_FOLDER, NO_FILE):
            return None  # rclone does not tell the two apart here; `look` does
        if done.returncode:
            raise self._refused(f"{name} cannot be read", done.stderr)
        return bounded(done.stdout, self._at(name))

    def put(self, name: str, data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="harvester-mailbox-") as folder:
            source = Path(folder) / name
            source.write_bytes(data)
            done = self._run("copyto", "--ignore-times", str(source), self._at(name))
        if done.returncode:
            raise self._refused(f"{name} cannot be written", done.stderr)

    def clear(self, name: str) -> None:
        done = self._run("deletefile", "--retries", "1", self._at(name))
        if done.returncode and b"not found" not in done.stderr:
            raise self._refused(f"{name} cannot be removed", done.stderr)

    def _at(self, name: str) -> str:
        return f"{self._place}{name}" if self._place.endswith((":", "/")) else f"{self._place}/{name}"

    def _run(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        command = [self._rclone.program, verb, "--config", str(self._rclone.config), *OPTIONS, *arguments]
        try:
            return subprocess.run(command, capture_output=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            raise self._refused(f"{verb} was given up", b"no answer within ten minutes") from error
        except OSError as error:
            raise MailboxError(
                f"{self._rclone.program}: rclone cannot be run ({error.strerror}). Install it, or name it in"
                " rclone.program."
            ) from error

    def _refused(self, what: str, said: bytes) -> MailboxError:
        return MailboxError(f"{self._place}: {what}: {explain(said.decode(errors='replace'))}.")


def explain(said: str) -> str:
    """Why rclone failed, and what to do, from what it wrote to stderr."""
    for words, reason in REASONS:
        if words in said:
            return reason
    lines = [line.split(": ", 1)[-1] for line in said.splitlines() if line.strip()]
    return one_line(lines[-1] if lines else "it said nothing", 240).rstrip(".")
