"""A host's places on this machine, for one command: its users, its program, its systemctl, its journal's socket.

All of it is in a mount namespace of the command's own, so nothing of this machine changes. Needs root.
"""

import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NAMESPACE = """
set -e
d=$1; shift
for name in null zero full random urandom tty; do
    touch "$d/dev/$name"; mount --bind "/dev/$name" "$d/dev/$name"
done
for name in pts shm; do mkdir "$d/dev/$name"; mount --bind "/dev/$name" "$d/dev/$name"; done
ln -s pts/ptmx "$d/dev/ptmx"; ln -s /proc/self/fd "$d/dev/fd"
mount --bind "$d/passwd" /etc/passwd
mount --bind "$d/group" /etc/group
mount -t tmpfs none "$d/opt"
mkdir "$d/opt/upper" "$d/opt/work"
mount -t overlay -o "lowerdir=/opt,upperdir=$d/opt/upper,workdir=$d/opt/work" none /opt
mkdir -p /opt/harvester/current/bin
cp "$d/harvester" /opt/harvester/current/bin/harvester
mount --rbind "$d/dev" /dev
exec "$@"
"""
SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
if [ "$1" = show ]; then echo LoadState=loaded; echo ActiveState=active; echo UnitFileState=enabled; fi
"""


class StandInHost:
    """Runs commands as on a host; `journal` is all that programs sent to syslog, `calls` what systemctl was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = b""
        self.calls = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def run(self, *command: str, given: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """The command inside, its messages with its output."""
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", NAMESPACE, "sh", str(self.folder)]
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            [*argv, *command],
            input=given,
            env={**os.environ, **environment, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=240,
        )
        log = self.folder / "systemctl.log"
        self.calls = log.read_text() if log.exists() else ""
        return done

    def listen(self) -> None:
        while message := self._socket.recv(65_536):
            self.journal += message + b"\n"


@contextmanager
def stand_in_host() -> Iterator[StandInHost]:
    """A folder with all that the namespace takes its places from."""
    with tempfile.TemporaryDirectory(prefix="h-", dir="/tmp") as name:  # a socket's path must be short
        host = StandInHost(Path(name))
        for folder in ("dev", "opt", "bin"):
            (host.folder / folder).mkdir()
        user = "harvester-token:x:0:0::/nonexistent:/usr/sbin/nologin\n"  # root's number: it can read any checkout
        (host.folder / "passwd").write_text(Path("/etc/passwd").read_text() + user)
        (host.folder / "group").write_text(Path("/etc/group").read_text() + "harvester-token:x:0:\nharvester:x:0:\n")
        program = Path(sys.executable).with_name("harvester")
        _script(host.folder / "harvester", f'#!/bin/sh\nexec {shlex.quote(str(program))} "$@"\n')
        _script(host.folder / "bin" / "systemctl", SYSTEMCTL.format(log=shlex.quote(f"{name}/systemctl.log")))
        host._socket.bind(str(host.folder / "dev" / "log"))
        reader = threading.Thread(target=host.listen)
        reader.start()
        try:
            yield host
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(host.folder / "dev" / "log"))
            reader.join()
            host._socket.close()


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
