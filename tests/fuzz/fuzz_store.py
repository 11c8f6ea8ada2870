"""Fuzzing of the journal's reader and of packed segments, both ways, by the checks of tests/property.

Run: python -m tests.fuzz.fuzz_store [--seconds 600]
"""

from tests.fuzz.driver import Target, fuzz, instrumented, split

READ, READ_RECORDS, PACK, PACK_RECORDS, UNPACK, UNPACK_BLOCK = range(6)
HEAD = 8


def make_target() -> Target:
    """The function that any input must pass through unharmed. Its first byte chooses what is done with the rest."""
    with instrumented():
        from tests.property.pack_checks import check_block, check_reader, check_round_trip, check_unpack

        from harvester.journal.format import encode

    def as_records(data: bytes) -> bytes:
        """A segment of what each piece says: eight bytes for the header, the rest as payload; some pieces are junk."""
        parts = []
        for piece in split(data):
            head, payload = piece[:HEAD], piece[HEAD:]
            if len(head) < HEAD or head[0] == 0xFF:
                parts.append(piece)
                continue
            wall_ns = int.from_bytes(head[4:7], "big") << 16
            parts.append(
                encode((head[0] & 1, 2 if head[1] < 200 else head[1], head[2] & 1, head[3], wall_ns, 0, payload))
            )
        return b"".join(parts)

    checks = {
        READ: check_reader,
        READ_RECORDS: lambda data: check_reader(as_records(data)),
        PACK: check_round_trip,
        PACK_RECORDS: lambda data: check_round_trip(as_records(data)),
        UNPACK: check_unpack,
        UNPACK_BLOCK: check_block,
    }

    def target(data: bytes) -> None:
        if data:
            checks[data[0] % len(checks)](data[1:])

    return target


def seeds() -> list[bytes]:
    """Inputs to begin with: a small journal, its pieces, its packed form, and the columns of a block."""
    from tests.bench.market import updates
    from tests.bench.wire import arrivals
    from tests.property.pack_checks import pack

    from harvester.journal.format import Record, encode
    from harvester.lake.publish.columns import write_block

    frames = [arrival.frame for arrival in arrivals(updates(24))]
    pieces = [bytes([0, 2, 0, number, 0, 0, number, 0]) + frame for number, frame in enumerate(frames)]
    joined = b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)
    segment = b"".join(encode((0, 2, 0, number, number << 16, 0, frame)) for number, frame in enumerate(frames, 1))
    small, packed = segment[:1500], pack(segment)
    block = write_block([Record(0, 2, 0, number, number << 16, 0, frame) for number, frame in enumerate(frames[-24:])])
    return [
        bytes([READ]) + small,
        bytes([READ_RECORDS]) + joined[:2500],
        bytes([PACK]) + small,
        bytes([PACK_RECORDS]) + joined,
        bytes([PACK_RECORDS]) + joined[-1500:],
        bytes([UNPACK]) + packed,
        bytes([UNPACK_BLOCK]) + block,
    ]


if __name__ == "__main__":
    assert __doc__
    fuzz(make_target(), seeds(), __doc__)
