"""What a socket has sent: counts, a digest of its binary frames, and the frames themselves in a file when wanted."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEAD = struct.Struct("<IqB")
"""Before each frame in a file: its length, when it was handed to the network (wall ns), and its opcode."""
TEXT, BINARY = 1, 2
LENGTH = struct.Struct("<I")


class SentFrame(NamedTuple):
    """One frame as sent."""

    wall_ns: int
    opcode: int
    payload: bytes


class Sent:
    """Counts one connection's frames. `digest` covers the binary ones, each as u32 length (little-endian) and bytes."""

    def __init__(self, path: Path | None) -> None:
        self.frames = self.texts = self.bytes = self.entries = self.last_message = 0
        self.first_ns = self.last_ns = 0
        self._digest = hashlib.sha256()
        self.path = path
        self._file = path.open("ab") if path else None

    def add(self, wall_ns: int, frame: bytes | str, entries: int, message: int) -> None:
        """Count a frame that was handed to the network. `message` is its number in the protocol, 0 for none."""
        binary = isinstance(frame, bytes)
        payload = frame if isinstance(frame, bytes) else frame.encode()
        if binary:
            self.frames += 1
            self.bytes += len(payload)
            self._digest.update(LENGTH.pack(len(payload)))
            self._digest.update(payload)
        else:
            self.texts += 1
        self.entries += entries
        self.last_message = message or self.last_message
        self.first_ns = self.first_ns or wall_ns
        self.last_ns = wall_ns
        if self._file:
            self._file.write(HEAD.pack(len(payload), wall_ns, BINARY if binary else TEXT) + payload)

    def describe(self) -> dict[str, object]:
        """The counts, as control answers and the log show them."""
        return {
            "frames": self.frames,
            "texts": self.texts,
            "bytes": self.bytes,
            "entries": self.entries,
            "last_message": self.last_message,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "sha256": self._digest.hexdigest(),
            "file": str(self.path) if self.path else None,
        }

    def flush(self) -> None:
        """Let readers of the file see all of it."""
        if self._file:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None


def read_sent(path: Path) -> Iterator[SentFrame]:
    """The frames in a file; a last one that is not whole yet is left out."""
    with path.open("rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            size, wall_ns, opcode = HEAD.unpack(head)
            payload = file.read(size)
            if len(payload) < size:
                return
            yield SentFrame(wall_ns, opcode, payload)
