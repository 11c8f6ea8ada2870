"""Frames that a client of the data socket (HSM) sends, and the control frames of the server.

Source: the broker's Python SDK 3.2.0. All numbers are big-endian; a frame is a length, a type and numbered fields.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

AUTH, ACK, SUBSCRIBE, FEED, PING, MODE, NOTICE = 1, 3, 4, 6, 11, 12, 51
PING_FRAME = bytes([0, 1, PING])
CHANNEL = 11
"""The SDK's own channel; one is enough."""
SOURCE = b"PythonSDK-3.2.0"
"""The server expects the name of a known client, so this is the SDK's."""
TOPICS_A_FRAME = 1500
ACCEPTED = b"K"


class Reply(NamedTuple):
    """A control frame of the server: its type and its fields by number, as far as they are whole."""

    type: int
    fields: dict[int, bytes]

    @property
    def accepted(self) -> bool:
        """Whether the server said yes."""
        return self.fields.get(1) == ACCEPTED

    @property
    def acknowledge_every(self) -> int:
        """In the answer to authentication: how many feed frames to one acknowledgement; 0: none wanted.

        The field has two bytes or four, so its own length counts (the SDK reads four in any case).
        """
        return int.from_bytes(self.fields.get(2, b""), "big")

    @property
    def notice(self) -> str:
        """Code and text of a notice."""
        code = int.from_bytes(self.fields.get(1, b""), "big", signed=True)
        text = self.fields.get(2, b"")[:200].decode("utf-8", "backslashreplace")
        return f"code {code}: {' '.join(text.split())}"


def _frame(kind: int, *fields: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack(">BH", number, len(value)) + value for number, value in fields)
    return struct.pack(">HBB", len(body) + 2, kind, len(fields)) + body


def auth(hsm_key: str) -> bytes:
    """The first frame: authentication."""
    return _frame(AUTH, (1, hsm_key.encode("ascii")), (2, b"P"), (3, b"\x01"), (4, SOURCE))


def full_mode() -> bytes:
    """Ask for all values of each topic."""
    return _frame(MODE, (1, struct.pack(">Q", 1 << CHANNEL)), (2, b"F"))


def subscribe(topics: Iterable[str]) -> Iterator[bytes]:
    """Frames that subscribe to all topics, at most 1,500 each."""
    names = [topic.encode("ascii") for topic in topics]
    for first in range(0, len(names), TOPICS_A_FRAME):
        part = names[first : first + TOPICS_A_FRAME]
        blob = struct.pack(">H", len(part)) + b"".join(bytes([len(name)]) + name for name in part)
        yield _frame(SUBSCRIBE, (1, blob), (2, bytes([CHANNEL])))


def ack(message_number: bytes) -> bytes:
    """Acknowledge the feed frame with this number (its four bytes)."""
    return _frame(ACK, (1, message_number))


def read_reply(frame: bytes) -> Reply:
    """Any frame that is no feed frame, read by its fields; the length at the start cannot be relied on."""
    kind = frame[2] if len(frame) > 2 else -1
    fields: dict[int, bytes] = {}
    at = 4
    for _ in range(frame[3] if len(frame) > 3 else 0):
        end = at + 3 + int.from_bytes(frame[at + 1 : at + 3], "big")
        if end > len(frame):
            break
        fields[frame[at]] = frame[at + 3 : end]
        at = end
    return Reply(kind, fields)
