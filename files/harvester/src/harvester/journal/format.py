"""Journal format 1: how a record looks on disk, and how bytes become a record or are refused.

A segment is a sequence of records and nothing else. A record is a little-endian header of 40 bytes and a payload:

    magic 4s | length u32 | crc32c u32 | kind u8 | feed u8 | stream u16 | seq u64 | wall_ns i64 | mono_ns i64 | payload

The checksum covers everything after itself. The magic starts with 0xF5, which no UTF-8 text contains, so that
JSON bodies hold no false starts.
"""

import json
import struct
import uuid
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import msgspec

from harvester.base.errors import HarvesterError

FORMAT = 1
MAGIC = b"\xf5AHJ"
HEADER = struct.Struct("<4sIIBBHQqq")
PREFIX = struct.Struct("<4sII")
REST = struct.Struct("<BBHQqq")
DATA, CONTROL = 0, 1
MAX_PAYLOAD = 1 << 20
"""Most bytes of a data record's payload."""
MAX_CONTROL = 16 << 20
"""Most bytes of a control record's payload: the checkpoint of thousands of symbols with a gap open each."""
MAX_RECORD = HEADER.size + MAX_CONTROL

FYERS_REST, FYERS_HSM, FYERS_TBT, FYERS_HISTORY, SCHWAB_HISTORY, SCHWAB_STREAM = 1, 2, 3, 4, 6, 7
FEED_NAMES = {
    FYERS_REST: "fyers-rest",
    FYERS_HSM: "fyers-hsm",
    FYERS_TBT: "fyers-tbt",
    FYERS_HISTORY: "fyers-history",
    SCHWAB_HISTORY: "schwab-history",
    SCHWAB_STREAM: "schwab-stream",
}
FYERS_BACKFILL = 5
"""Answers of the backfill; in a journal of its own, and no feed of a session."""
CANDLE_FEEDS = (FYERS_HISTORY, SCHWAB_HISTORY)
"""Feeds whose records are answers with a broker's own candles."""
SOCKETS = (FYERS_HSM, FYERS_TBT)
"""Feeds whose records are frames of a socket with quotes and books."""
STREAMS = (*SOCKETS, SCHWAB_STREAM)
"""Feeds whose records are frames of any socket; those of schwab-stream hold a broker's own candles."""

POLL = struct.Struct("<qqH")
CANDLES = struct.Struct("<qqHI")
BACKFILL = struct.Struct("<qHII8s")


class JournalError(HarvesterError):
    """The journal cannot be written, or another process is writing it."""


class Record(NamedTuple):
    """One record. `wall_ns` and `mono_ns` are the moment of receipt, `seq` counts the records of a run."""

    kind: int
    feed: int
    stream: int
    seq: int
    wall_ns: int
    mono_ns: int
    payload: bytes


Frame = tuple[bytes, int, int]
"""What a feed hands over: payload, wall ns and monotonic ns of its receipt."""


class Poll(NamedTuple):
    """Payload of a fyers-rest data record: due and sent times (wall ns), the HTTP status, the body as received."""

    sched_ns: int
    sent_ns: int
    status: int
    body: bytes


class CandlePoll(NamedTuple):
    """Payload of a data record of candles: as a Poll, with the seconds of a bar, of a whole day so far."""

    sched_ns: int
    sent_ns: int
    status: int
    bar_seconds: int
    body: bytes


class BackfillAnswer(NamedTuple):
    """Payload of a backfill's data record: as a Poll, with the resolution and the days asked for, both included."""

    sent_ns: int
    status: int
    first: date
    last: date
    resolution: str
    body: bytes


@dataclass(frozen=True)
class RunInfo:
    """What identifies one start of the recorder; the first record of each of its segments says it."""

    host_id: str
    release: str
    config_hash: str
    streams: dict[int, str]
    """Stream number of each symbol recorded, such as {0: "NSE:SBIN-EQ"}."""
    candles: dict[int, str] = field(default_factory=dict)
    """The same of each symbol of which candles are recorded."""
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    boot_id: str = field(default_factory=lambda: _boot_id())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def most_bytes(kind: int) -> int:
    """Most bytes of the payload of a record of this kind."""
    return MAX_CONTROL if kind == CONTROL else MAX_PAYLOAD


def encode(record: tuple[int, int, int, int, int, int, bytes]) -> bytes:
    """The bytes of a Record, or of a tuple like one. Raises JournalError for a payload over the limit of its kind."""
    kind, feed, stream, seq, wall_ns, mono_ns, payload = record
    if len(payload) > most_bytes(kind):
        raise JournalError(
            f"A journal record holds at most {most_bytes(kind)} bytes, not {len(payload)}. Cap what a feed receives."
        )
    tail = REST.pack(kind, feed, stream, seq, wall_ns, mono_ns) + payload
    return PREFIX.pack(MAGIC, len(payload), google_crc32c.value(tail)) + tail


def decode(frame: bytes) -> Record | None:
    """The record whose bytes these are, no more and no fewer, or None when they are not a whole undamaged record."""
    if len(frame) < HEADER.size:
        return None
    magic, length, crc = PREFIX.unpack_from(frame)
    if magic != MAGIC or len(frame) != HEADER.size + length or google_crc32c.value(frame[PREFIX.size :]) != crc:
        return None
    kind, feed, stream, seq, wall_ns, mono_ns = REST.unpack_from(frame, PREFIX.size)
    return Record(kind, feed, stream, seq, wall_ns, mono_ns, frame[HEADER.size :])


def encode_control(record: dict[str, Any]) -> bytes:
    """Payload of a control record: compact JSON. Raises TypeError for what is no JSON data."""
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:  # half of a surrogate pair, which a server may send and JSON may hold
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def decode_control(payload: bytes) -> dict[str, Any] | None:
    """The object in a control record's payload, or None when it is none with a text under "type"."""
    try:
        value = json.loads(payload.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def encode_poll(poll: Poll) -> bytes:
    """Payload of a fyers-rest data record."""
    return POLL.pack(poll.sched_ns, poll.sent_ns, poll.status) + poll.body


def decode_poll(payload: bytes) -> Poll | None:
    """The poll in a fyers-rest data record, or None when the payload is too short to be one."""
    if len(payload) < POLL.size:
        return None
    sched_ns, sent_ns, status = POLL.unpack_from(payload)
    return Poll(sched_ns, sent_ns, status, payload[POLL.size :])


def encode_candles(poll: CandlePoll) -> bytes:
    """Payload of a data record of candles."""
    return CANDLES.pack(poll.sched_ns, poll.sent_ns, poll.status, poll.bar_seconds) + poll.body


def decode_candles(payload: bytes) -> CandlePoll | None:
    """The answer in a data record of candles, or None when the payload is too short to be one."""
    if len(payload) < CANDLES.size:
        return None
    sched_ns, sent_ns, status, bar_seconds = CANDLES.unpack_from(payload)
    return CandlePoll(sched_ns, sent_ns, status, bar_seconds, payload[CANDLES.size :])


def encode_backfill(answer: BackfillAnswer) -> bytes:
    """Payload of a backfill's data record."""
    first, last = answer.first.toordinal(), answer.last.toordinal()
    head = BACKFILL.pack(answer.sent_ns, answer.status, first, last, answer.resolution.encode("ascii"))
    return head + answer.body


def decode_backfill(payload: bytes) -> BackfillAnswer | None:
    """The answer in a backfill's data record, or None when the payload is none."""
    if len(payload) < BACKFILL.size:
        return None
    sent_ns, status, first, last, name = BACKFILL.unpack_from(payload)
    try:
        days = date.fromordinal(first), date.fromordinal(last)
        resolution = name.rstrip(b"\0").decode("ascii")
    except (ValueError, OverflowError):
        return None
    return BackfillAnswer(sent_ns, status, *days, resolution, payload[BACKFILL.size :])


def segment_name(wall_ns: int, pid: int) -> str:
    """Name of a segment without its suffix: `.open` while written, `.seg` when sealed."""
    return f"{wall_ns}-{pid}"


def segment_header(run: RunInfo, wall_ns: int, mono_ns: int) -> dict[str, Any]:
    """The control record with which each segment begins, so that it can be read alone."""
    return {
        "type": "segment",
        "format": FORMAT,
        "run_id": run.run_id,
        "boot_id": run.boot_id,
        "host_id": run.host_id,
        "release": run.release,
        "config_hash": run.config_hash,
        "wall_ns": wall_ns,
        "mono_ns": mono_ns,
        "streams": {str(number): symbol for number, symbol in run.streams.items()},
        **({"candles": {str(number): symbol for number, symbol in run.candles.items()}} if run.candles else {}),
    }


def day_directory(journal: Path, day: date) -> Path:
    """Where the segments of a trading date lie."""
    return journal / day.isoformat()
