"""Artefacts as text that a person can review: one JSON line a row or record, canonical JSON, hashes of files."""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from tests import lake_rows

MAGIC = b"\xf5AHJ"
HEADER = struct.Struct("<4sIIBBHQqq")
"""Of a journal record, as docs/formats says; read here without the harvester's own reader."""
CONTROL = 1
POLL = struct.Struct("<qqH")
REST = 1


def line(value: Any) -> str:
    """One line of JSON, keys as they come; what has no JSON as its text."""
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")) + "\n"


def table(path: Path) -> str:
    """A Parquet file: its schema with all metadata, its row groups, then every row as a list in the schema's order."""
    with pq.ParquetFile(path) as file:
        schema, groups = file.schema_arrow, file.metadata
        head: list[Any] = [
            {"column": field.name, "type": str(field.type), "null": field.nullable} | _told(field.metadata)
            for field in schema
        ]
        head.append({"metadata": _told(schema.metadata)})
        head.append({"row_groups": [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]})
    rows = lake_rows.rows(path)
    return "".join(map(line, [*head, *(list(row.values()) for row in rows)]))


def _told(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}


def files(root: Path) -> str:
    """Every file below a directory, hidden ones too: size, SHA-256 and path."""
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return "".join(
        f"{len(content):>8} {hashlib.sha256(content).hexdigest()} {path.relative_to(root).as_posix()}\n"
        for path in found
        for content in [path.read_bytes()]
    )


def outline(value: dict[str, Any]) -> str:
    """JSON with a line for each key, and for each key of the objects and each item of the lists below those."""
    parts = ",\n".join(f"{json.dumps(key)}: {_branch(each)}" for key, each in value.items())
    return f"{{\n{parts}\n}}\n"


def _branch(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {json.dumps(each)}" for each in value) + "\n]"
    if isinstance(value, dict) and any(isinstance(each, dict) for each in value.values()):
        return "{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(each)}" for key, each in value.items()) + "\n}"
    return json.dumps(value)


def segment(path: Path) -> str:
    """Every record of a segment by number and wall ns: the JSON of control records as written, of data feed/stream,
    bytes and checksum, of polls before that when they were due and sent, in ns after the receipt.

    How far the monotonic clock is from the wall clock is told where it changes.
    """
    return "".join(f"{text}\n" for text in [path.name, *_records(path.read_bytes())])


def _records(content: bytes) -> Iterator[str]:
    at, difference = 0, None
    while at < len(content):
        if content[at : at + 4] != MAGIC or len(content) - at < HEADER.size:
            following = content.find(MAGIC, at + 1)
            end = following if following >= 0 else len(content)
            yield f"no record: {end - at} bytes"
            at = end
            continue
        _, length, crc, kind, feed, stream, seq, wall_ns, mono_ns = HEADER.unpack_from(content, at)
        payload = content[at + HEADER.size : at + HEADER.size + length]
        at += HEADER.size + length
        if wall_ns - mono_ns != difference:
            difference = wall_ns - mono_ns
            yield f"wall - monotonic: {difference}"
        if kind == CONTROL:
            yield f"{seq} {wall_ns} {payload.decode('utf-8', 'replace')}"
        else:
            poll = f" poll {_poll(payload, wall_ns)}" if feed == REST else ""
            yield f"{seq} {wall_ns} {feed}/{stream}{poll} {length} {crc:08x}"


def _poll(payload: bytes, wall_ns: int) -> str:
    scheduled_ns, sent_ns, status = POLL.unpack_from(payload)
    return f"{scheduled_ns - wall_ns} {sent_ns - wall_ns} HTTP {status}"
