"""How a host's lake is read from here: over SSH, or from a directory of this machine."""

import contextlib
import fcntl
import io
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from runbook.fleet.inventory import Host
from runbook.fleet.ssh import REFUSED, RemoteError, SshConnection

PIPE_BYTES = 1 << 20
READING = ("iflag=skip_bytes", "bs=256K", "status=none")


class Transport(Protocol):
    """Read access to one host's lake. Paths are relative to it; RemoteError when the host or a file fails."""

    host: str
    workers: int
    """How many files it likes to hand out at a time."""

    def list_manifests(self) -> list[str]:
        """Paths of the current manifests, `manifest/date=.../host=.../manifest.json`."""

    def read_manifests(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The content of each of these paths; one that is gone meanwhile is left out."""

    def list_files(self) -> dict[str, int]:
        """Every file of the lake with its size in bytes."""

    def open(self, path: str, offset: int) -> AbstractContextManager[IO[bytes]]:
        """A context with the bytes of a file from `offset` on; leaving it normally proves that all of them came."""

    def close(self) -> None:
        """Let go of the connection."""


class LocalTransport:
    """The lake of a harvester that runs on this very machine."""

    workers = 1

    def __init__(self, host: str, lake: Path) -> None:
        self.host = host
        self.lake = lake

    def list_manifests(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.lake)) for path in self.lake.glob("manifest/date=*/host=*/manifest.json")
        )

    def read_manifests(self, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: (self.lake / path).read_bytes() for path in paths if (self.lake / path).exists()}

    def list_files(self) -> dict[str, int]:
        found = (path for path in self.lake.rglob("*") if path.is_file())
        return {str(path.relative_to(self.lake)): path.stat().st_size for path in found}

    @contextmanager
    def open(self, path: str, offset: int) -> Iterator[IO[bytes]]:
        try:
            file = (self.lake / path).open("rb", buffering=0)
        except OSError as error:
            raise RemoteError(f"{self.host}: {path} cannot be read ({error.strerror}).") from error
        with file:
            file.seek(offset)
            yield file

    def close(self) -> None:
        """Nothing is held open."""


class SshTransport:
    """A host's lake through OpenSSH; `sudo -n` is used only where the login user may not read by itself."""

    workers = 1

    def __init__(self, host: Host, lake: str) -> None:
        self.host = host.name
        self.lake = lake
        self.connection = SshConnection(host)
        self._prefix: list[str] | None = None

    def list_manifests(self) -> list[str]:
        command = ["find", f"{self.lake}/manifest", "-name", "manifest.json", "-printf", r"%P\0"]
        return sorted(f"manifest/{name}" for name in self._names(command))

    def list_files(self) -> dict[str, int]:
        rows = self._names(["find", self.lake, "-type", "f", "-printf", r"%s %P\0"])
        try:
            return {path: int(size) for size, path in (row.split(" ", 1) for row in rows)}
        except ValueError:
            raise self._garbled() from None

    def read_manifests(self, paths: Iterable[str]) -> dict[str, bytes]:
        """All of them in one round trip, as one archive."""
        names = "\0".join(paths).encode()
        if not names:
            return {}
        command = ["tar", "-C", self.lake, "-c", "-f", "-", "--ignore-failed-read", "--null", "-T", "-"]
        archive = self._run(command, given=names)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
                members = ((member.name, tar.extractfile(member)) for member in tar)
                return {name: file.read() for name, file in members if file}
        except tarfile.TarError:
            raise self._garbled() from None

    @contextmanager
    def open(self, path: str, offset: int) -> Iterator[IO[bytes]]:
        command = [*self._privilege(), "dd", f"if={self.lake}/{path}", f"skip={offset}", *READING]
        process = self.connection.start(command)
        assert process.stdout is not None and process.stderr is not None  # noqa: S101  # both are pipes; tells mypy
        with contextlib.suppress(AttributeError, OSError):  # it only saves time; not every system has or grants it
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            yield process.stdout
            if process.stdout.read(1):
                return  # the reader has what it wanted; there is more, and the code of a cut-off program says nothing
            messages = process.stderr.read()
            code = process.wait()
        finally:
            _end(process)
        if code == REFUSED:
            raise self.connection.refusal(messages)
        if code:
            raise RemoteError(f"{self.host}: {path} cannot be read there: {_said(messages)}.")

    def close(self) -> None:
        self.connection.close()

    def _names(self, command: list[str]) -> list[str]:
        try:
            return [name.decode() for name in self._run(command).split(b"\0") if name]
        except UnicodeDecodeError:
            raise self._garbled() from None

    def _garbled(self) -> RemoteError:
        return RemoteError(
            f"{self.host}: what came over SSH is not what was asked for. Does the login shell there print something of"
            " its own (.bashrc, .profile)? It must be silent where no terminal is."
        )

    def _run(self, command: list[str], *, given: bytes | None = None) -> bytes:
        done = self.connection.run([*self._privilege(), *command], given=given)
        if done.returncode:
            raise RemoteError(
                f"{self.host}: `{command[0]}` failed on {self.lake}: {_said(done.stderr)}. Was a session closed there "
                "already? `./inv status` shows the harvester's state."
            )
        return done.stdout

    def _privilege(self) -> list[str]:
        """How to read the lake: by the login user's own rights where they suffice, else by sudo."""
        if self._prefix is None:
            probe = ["test", "-r", f"{self.lake}/manifest", "-a", "-x", f"{self.lake}/manifest"]
            for prefix in ([], ["sudo", "-n"]):
                if self.connection.run([*prefix, *probe]).returncode == 0:
                    self._prefix = prefix
                    break
            else:
                raise RemoteError(
                    f"{self.host} has no readable lake at {self.lake}. Either no session was closed there yet (the "
                    "close job builds it after the market), or the login user is not in group harvester and may not "
                    "use sudo. `./inv status` shows the harvester's state."
                )
        return self._prefix


def _said(messages: bytes) -> str:
    return " ".join(messages.decode(errors="replace").split())[:300] or "no message"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
