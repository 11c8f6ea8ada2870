"""Artefacts as text that a person can review: one JSON line a row or record, canonical JSON, hashes of files."""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

MAGIC = b"\xf5AHJ"
HEADER = struct.Struct("<4sIIBBHQqq")
"""Of a journal record, as docs/formats says; read here without the harvester's own reader."""
CONTROL = 1
POLL = struct.Struct("<qqH")
REST = 1


def line(value: Any) -> str:
    """One line of JSON, keys as they come."""
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")) + "\n"


def pretty(value: Any) -> str:
    """JSON of many lines, keys as they come."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


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
        rows = file.read().to_pylist()
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


def segment(path: Path) -> str:
    """Every record of a segment; control records with their JSON as written, data with size, hash and poll's head."""
    return f"{path.name}\n" + "".join(map(line, _records(path.read_bytes())))


def _records(content: bytes) -> Iterator[Any]:
    at = 0
    while at < len(content):
        if content[at : at + 4] != MAGIC or len(content) - at < HEADER.size:
            following = content.find(MAGIC, at + 1)
            end = following if following >= 0 else len(content)
            yield {"no record": end - at}
            at = end
            continue
        _, length, crc, kind, feed, stream, seq, wall_ns, mono_ns = HEADER.unpack_from(content, at)
        payload = content[at + HEADER.size : at + HEADER.size + length]
        at += HEADER.size + length
        place = [seq, wall_ns, mono_ns]
        if kind == CONTROL:
            yield place, payload.decode("utf-8", "replace")
        else:
            head = {"poll": POLL.unpack_from(payload)} if feed == REST else {}
            yield place, {"feed": feed, "stream": stream, "bytes": length, "crc": crc, **head}
