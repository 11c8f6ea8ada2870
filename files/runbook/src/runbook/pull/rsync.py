"""A host's lake by rsync over SSH; `sudo -n` is used there only where the login user may not read by itself."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harvester.lake.layout import MANIFEST, MANIFEST_NAME
from harvester.lake.manifest import FileEntry
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import REFUSED, RemoteError, SshConnection
from runbook.pull.transport import Fetched, Progress

OPTIONS = ("--recursive", "-s", "--no-human-readable", "--chmod=Du+rwx,Fu+rw")
STEPS = "--info=progress", "--out-format=%i %n"
SOME_FILES = 23, 24
"""Exit codes of rsync when it copied all but some files."""
WRITE_FAILED = 11
POSITION = re.compile(r"\s*(\d+)\s+\d+%")
"""A line of --info=progress: how many bytes of the current file are here."""
REMEDIES = (
    (r"rsync: (command )?not found", "rsync is not installed there. Run site.yml, whose role host_baseline installs"
     " it, or `apt-get install rsync` on the host."),
    (r"un(recognized|known) option", "the rsync here or there is too old, or another program of that name: 3.1 or"
     " newer of rsync.samba.org is needed on both sides (macOS: `brew install rsync`)."),
    (r"is your shell clean|protocol version mismatch", "what came over SSH is not what was asked for. Does the login"
     " shell there print something of its own (.bashrc, .profile)? It must be silent where no terminal is."),
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """A kind of folder on hosts: where its manifests are, and what to say of a host that has none."""

    name: str
    manifests: str
    """The folder in it that has the manifests; empty: they are anywhere in it."""
    pattern: str
    """rsync's pattern of their names."""
    absent: str
    """Why there may be none, and what to do."""
    trouble: str
    """What to do where rsync fails."""


LAKE = Layout(
    "lake",
    MANIFEST,
    MANIFEST_NAME,
    "Either no session was closed there yet (the close job builds it after the market), or the login user is not in"
    " group harvester and may not use sudo. `./inv status` shows the harvester's state.",
    "Was a session closed there already? `./inv status` shows the harvester's state.",
)


class SshTransport:
    """A host's lake, or another folder with manifests, through OpenSSH and rsync."""

    def __init__(self, host: Host, lake: str, layout: Layout = LAKE) -> None:
        self.host = host.name
        self.lake = lake
        self._layout = layout
        self.connection = SshConnection(host)
        self._program: str | None = None

    def read_manifests(self) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory(prefix="manifests-") as name:
            folder, below = Path(name), self._layout.manifests
            which = ["--prune-empty-dirs", "--include=*/", f"--include={self._layout.pattern}", "--exclude=*"]
            self._run([*which, self._source(below), name])
            return {
                f"{below}/{path.relative_to(folder)}".removeprefix("/"): path.read_bytes()
                for path in sorted(folder.rglob("*.json"))
            }

    def list_files(self) -> dict[str, int]:
        with tempfile.TemporaryDirectory(prefix="nothing-") as nothing:
            said = self._run(["--dry-run", "--out-format=%l %n", self._source(), nothing])
        lines = said.decode(errors="replace").splitlines()
        rows = (re.fullmatch(r"(\d+) (.*[^/])", line) for line in lines)  # not folders, nor remarks on other things
        return {row[2]: int(row[1]) for row in rows if row}

    def fetch(self, files: Sequence[FileEntry], folder: Path, progress: Progress) -> Iterator[Fetched]:
        folder.mkdir(parents=True, exist_ok=True)
        left = {file.path: file for file in files}
        begun = {path: _size(folder / path) for path in left}
        with tempfile.NamedTemporaryFile(prefix="files-") as names, tempfile.TemporaryFile() as messages:
            names.write(b"\0".join(os.fsencode(path) for path in left))
            names.flush()
            words = ["--append-verify", f"--files-from={names.name}", "--from0", *STEPS, self._source(), f"{folder}/"]
            with self._started(words, messages) as process:
                for path in _follow(process, left, begun, folder, progress):
                    yield left.pop(path), None
            messages.seek(0)
            said = messages.read()
        if process.returncode not in (0, *SOME_FILES):
            raise self._failure(process.returncode, said)
        for file in left.values():
            about = [line for line in said.splitlines() if os.fsencode(file.path) in line]
            yield (
                file,
                RemoteError(f"{self.host}: {file.path} cannot be read there: {_said(b' '.join(about) or said)}."),
            )

    def close(self) -> None:
        self.connection.close()

    def _source(self, below: str = "") -> str:
        """The lake, or a folder of it, as rsync names it."""
        address = self.connection.host.address
        return f"{f'[{address}]' if ':' in address else address}:{self.lake}/{below}{'/' if below else ''}"

    def _run(self, words: list[str]) -> bytes:
        with tempfile.TemporaryFile() as messages, self._started(words, messages) as process:
            assert process.stdout is not None  # noqa: S101  # it is a pipe; tells mypy
            output = process.stdout.read()
            if process.wait():
                messages.seek(0)
                raise self._failure(process.returncode, messages.read())
        return output

    @contextmanager
    def _started(self, words: list[str], messages: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """rsync, running; at the end of the context it has ended.

        It inherits the lock of the store: should this process be killed, the next pull waits until rsync has noticed.
        """
        remote = self._remote_program()
        shell = " ".join("'" + word.replace("'", "''") + "'" for word in self.connection.shell())
        command = ["rsync", *OPTIONS, f"--rsh={shell}", f"--rsync-path={remote}", *words]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            env=os.environ | {"LC_ALL": "C"},
            close_fds=False,
        )
        with process:
            try:
                yield process
            except BaseException:
                process.terminate()
                raise

    def _failure(self, code: int, messages: bytes) -> Exception:
        """Why rsync failed; an OSError where it could not write here."""
        if code == REFUSED:
            return self.connection.refusal(messages)
        text = messages.decode(errors="replace")
        number = re.search(r"\((\d+)\)", text)
        if code == WRITE_FAILED and number:
            return OSError(int(number[1]), os.strerror(int(number[1])))
        for mark, remedy in REMEDIES:
            if re.search(mark, text):
                return RemoteError(f"{self.host}: {remedy}")
        return RemoteError(f"{self.host}: rsync failed on {self.lake}: {_said(messages)}. {self._layout.trouble}")

    def _remote_program(self) -> str:
        """How rsync is started there: by the login user's own rights where they suffice, else by sudo."""
        if not shutil.which("rsync"):
            raise RemoteError(
                "rsync is not installed on this machine, and a pull over SSH needs it. Install it (Debian, Ubuntu: "
                "apt-get install rsync; macOS: brew install rsync) and run the command again."
            )
        if self._program is None:
            folder = f"{self.lake}/{self._layout.manifests}"
            probe = ["test", "-r", folder, "-a", "-x", folder]
            for program in ("rsync", "sudo -n rsync"):
                if self.connection.run([*program.split()[:-1], *probe]).returncode == 0:
                    self._program = program
                    break
            else:
                raise RemoteError(
                    f"{self.host} has no readable {self._layout.name} at {self.lake}. {self._layout.absent}"
                )
        return self._program


def _follow(
    process: subprocess.Popen[bytes],
    wanted: Mapping[str, FileEntry],
    begun: Mapping[str, int],
    folder: Path,
    progress: Progress,
) -> Iterator[str]:
    """The paths of files that are whole, from rsync's output until it ends; `progress` is told of the steps.

    `begun`: how many bytes of each file were here before; rsync verifies these, and counts them from 0 again.
    """
    current, position = "", 0
    for line in _lines(process):
        if step := POSITION.match(line):
            reached = max(position, int(step[1]))
            progress.advance(reached - position)
            position = reached
        elif (path := line.partition(" ")[2]) in wanted:
            if current and _is_whole(folder, wanted[current]):
                yield current
            current, position = path, begun[path]
            progress.file(path)
    process.wait()
    if current and _is_whole(folder, wanted[current]):
        yield current


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Each piece of the output that ends with a line feed, or with a carriage return alone, as it comes."""
    assert process.stdout is not None  # noqa: S101  # it is a pipe; tells mypy
    waiting = b""
    while chunk := os.read(process.stdout.fileno(), 65_536):
        *whole, waiting = re.split(rb"[\r\n]+", waiting + chunk)
        yield from (line.decode(errors="replace") for line in whole)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_whole(folder: Path, file: FileEntry) -> bool:
    return _size(folder / file.path) == file.bytes


def _said(messages: bytes) -> str:
    return " ".join(messages.decode(errors="replace").split())[:300] or "no message"
