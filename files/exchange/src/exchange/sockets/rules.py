"""What the command line chooses about the sockets."""

from dataclasses import dataclass

TOPIC_LIMIT = 5000
"""Topics of one connection (SDK 3.2.0; the broker's support pages)."""


FRAME_ENTRIES = 250
"""Most entries of a frame: its length must fit into 16 bits."""


SLOW_BYTES = 16 * 1024 * 1024
"""A client that leaves so much unread is cut off. What the broker allows is not known."""


@dataclass(frozen=True)
class SocketRules:
    """Limits and forms that differ from account to account, or are not known."""

    topic_limit: int = TOPIC_LIMIT
    frame_entries: int = FRAME_ENTRIES
    """Updates that come together go out in frames of at most so many entries."""
    ack_every: int | None = None
    """Ask clients to acknowledge every so many frames, in the 4-byte form that they read; None: the live 2-byte one."""
    slow_bytes: int = SLOW_BYTES
