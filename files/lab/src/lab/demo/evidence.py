"""Independent evidence: what the exchange says it served and sent, against what came home in the raw segments."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import harvester.lake.publish.archive  # noqa: F401 makes archived segments of every form readable
from exchange.sockets.sent import BINARY, read_sent
from harvester.journal.format import CONTROL, DATA, FYERS_REST, SOCKETS, Record, decode_control, decode_poll
from harvester.journal.reader import read_segment


@dataclass(frozen=True)
class Comparison:
    """Whole answers or frames. `missing`: served to the harvester but not recorded; `foreign`: never served."""

    served: int
    recorded: int
    missing: int
    foreign: int


def compare(served_log: Path, raw: Path, *, since_ns: int, others: int) -> Comparison:
    """Compare depth answers delivered since `since_ns`, `others` of which went to programs other than the harvester."""
    rows = [json.loads(line) for line in served_log.read_text("utf-8").splitlines()]
    served = Counter(row["sha256"] for row in rows if row["ns"] >= since_ns and row["delivered"] and row["sha256"])
    recorded = Counter(_recorded_hashes(raw))
    missing = sum((served - recorded).values()) - others
    return Comparison(served.total() - others, recorded.total(), missing, sum((recorded - served).values()))


def compare_sockets(frames: Path, raw: Path, *, until_ns: int) -> Comparison:
    """Compare each connection that was recorded with the one that the exchange sent it on, frame by frame.

    What was sent after `until_ns`, the close of the session, may have met a connection that had been closed.
    """
    sent = [[frame for frame in read_sent(path) if frame.opcode == BINARY] for path in sorted(frames.glob("*.frames"))]
    counted = [Counter(frame.payload for frame in connection) for connection in sent]
    due = missing = foreign = total = 0
    for recorded in map(Counter, _recorded_connections(raw)):
        overlaps = [(recorded & payloads).total() for payloads in counted]
        best = overlaps.index(max(overlaps))
        expected = Counter(frame.payload for frame in sent[best] if frame.wall_ns < until_ns)
        due += expected.total()
        total += recorded.total()
        missing += (expected - recorded).total()
        foreign += (recorded - counted[best]).total()
    return Comparison(due, total, missing, foreign)


def _recorded_hashes(raw: Path) -> list[str]:
    polls = (
        decode_poll(record.payload) for record in _records(raw) if record.kind == DATA and record.feed == FYERS_REST
    )
    return [hashlib.sha256(poll.body).hexdigest() for poll in polls if poll]


def _recorded_connections(raw: Path) -> list[list[bytes]]:
    """The frames of each socket connection, in order of receipt."""
    connections: list[list[bytes]] = []
    current: dict[tuple[int, int], list[bytes]] = {}
    for record in _records(raw):
        if record.kind == DATA and record.feed in SOCKETS:
            current[record.feed, record.stream].append(record.payload)
        elif record.kind == CONTROL and (control := decode_control(record.payload)) and control["type"] == "connect":
            connections.append([])
            current[control["feed"], control["stream"]] = connections[-1]
    return [frames for frames in connections if frames]


def _records(raw: Path) -> Iterator[Record]:
    for segment in sorted(raw.rglob("*.seg.*"), key=lambda path: path.name):
        yield from read_segment(segment)
