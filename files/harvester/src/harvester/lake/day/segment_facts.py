"""What is known of a segment that was read before: the close need not read it again while nobody has touched it."""

from typing import Any

import msgspec

from harvester.base.files import Identity


class CopyFacts(msgspec.Struct, frozen=True):
    """An archived copy that was unpacked and compared: its file's name, hash and identity."""

    name: str
    sha256: str
    identity: Identity


class SegmentFacts(msgspec.Struct, frozen=True):
    """What the index has of a segment without damage. Times are wall ns."""

    release: str
    name: str
    identity: Identity
    """Of its file, before it was read."""
    size: int
    """Bytes."""
    sha256: str
    records: int
    data_records: int
    feeds: list[int]
    first_ns: int
    last_ns: int
    edges: tuple[tuple[int, int], tuple[int, int]]
    """Number and receipt of the first and of the last record."""
    unconnected: list[tuple[int, int]]
    """Feed and stream of frames before which the segment has no connect record."""
    header: dict[str, Any]
    controls: bytes
    """Its control records in msgpack: seq, wall and monotonic ns, and the object of each."""
    copy: CopyFacts
