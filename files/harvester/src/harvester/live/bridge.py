"""Between a pair of descriptors and the page's socket: how a connection comes through SSH, which runs a command."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

from harvester.base.errors import HarvesterError

SOCKET = Path("/run/harvester-live/page.sock")
CHUNK = 65_536


def connect(path: Path) -> socket.socket:
    """Raises HarvesterError where nobody listens, or this user may not connect."""
    there = socket.socket(socket.AF_UNIX)
    try:
        there.connect(str(path))
    except OSError as error:
        there.close()
        raise HarvesterError(
            f"{path}: the live page cannot be reached ({error.strerror}). Is harvester-live.socket running? ./inv"
            " deploy installs it, and lets the users in harvester_operators connect."
        ) from error
    return there


def pass_on(there: socket.socket, source: int, target: int) -> None:
    """Bytes from `source` there, and from there to `target`, until the page or the reader of `target` ends."""
    threading.Thread(target=_send, args=(there, source), daemon=True).start()
    with suppress(OSError):
        while chunk := there.recv(CHUNK):
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(target, rest) :]


def _send(there: socket.socket, source: int) -> None:
    with suppress(OSError):
        while chunk := os.read(source, CHUNK):
            there.sendall(chunk)
        there.shutdown(socket.SHUT_WR)
