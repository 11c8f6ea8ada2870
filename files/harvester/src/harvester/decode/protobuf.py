"""Protobuf messages by a table of their fields: exact, strict and slow; the fast path is beside it, for one message.

A schema maps a field's tag (number << 3 | wire type) to what it holds. A known number with another wire type is
unknown, as in every protobuf implementation, and unknown fields are skipped. Of a repeated scalar or text the last
counts; repeated messages that are not marked as such merge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

VARINT, LENGTH = 0, 2
INT32_MAX = (1 << 31) - 1
UINT64 = (1 << 64) - 1
DEEPEST_GROUP = 90


class MalformedError(ValueError):
    """The bytes are no protobuf message of this schema."""


@dataclass(frozen=True)
class Many:
    """A repeated message: a list of what each holds."""

    schema: "Schema"


class Plain(Enum):
    """UTF-8 text; a varint as the 64 bits on the wire; a message left for later, as a list of (start, end) offsets."""

    TEXT, NUMBER, SPAN = range(3)


Schema = Mapping[int, Any]
Fields = dict[int, Any]

TEXT, NUMBER, SPAN = Plain
WRAPPED: Schema = {1 << 3: NUMBER}
"""UInt64Value, Int64Value, UInt32Value: a present message without its field is zero."""


def read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """The varint at `at`, cut to 64 bits, and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & UINT64, at
        shift += 7
    raise MalformedError("a varint of more than ten bytes")


def read_tag(raw: bytes, at: int) -> tuple[int, int]:
    """The tag at `at`, and where it ends."""
    tag = raw[at]
    if tag < 0x80:
        return tag, at + 1
    tag, end = read_varint(raw, at)
    if tag > 0xFFFFFFFF or end - at > 5:
        raise MalformedError("a field number out of range")
    return tag, end


def read_length(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """Start and end of the length-delimited content whose length is at `at`."""
    size = raw[at]
    at += 1
    if size >= 0x80:
        size, start = read_varint(raw, at - 1)
        if size > INT32_MAX or start - at + 1 > 5:
            raise MalformedError("a length out of range")
        at = start
    if at + size > end:
        raise MalformedError("a field that reaches beyond its message")
    return at, at + size


def skip(raw: bytes, tag: int, at: int, end: int, depth: int = 0) -> int:
    """Where the unknown field with this tag ends."""
    kind = tag & 7
    if tag < 8 or kind in (4, 6, 7):
        raise MalformedError("a field number or wire type that cannot be")
    if kind == VARINT:
        return read_varint(raw, at)[1]
    if kind == LENGTH:
        return read_length(raw, at, end)[1]
    if kind != 3:
        return at + (8 if kind == 1 else 4)
    if depth == DEEPEST_GROUP:
        raise MalformedError("groups nested too deep")
    while at < end:
        inner, at = read_tag(raw, at)
        if inner & 7 == 4:
            if inner >> 3 != tag >> 3:
                raise MalformedError("the end of another group")
            return at
        at = skip(raw, inner, at, end, depth + 1)
    raise MalformedError("a group without an end")


def parse(raw: bytes, at: int, end: int, schema: Schema, into: Fields | None = None) -> Fields:
    """The known fields of the message in raw[at:end] by tag; `raw` has spare bytes after it. Raises MalformedError."""
    fields: Fields = {} if into is None else into
    while at < end:
        tag, at = read_tag(raw, at)
        holds = schema.get(tag)
        if holds is None:
            at = skip(raw, tag, at, end)
        elif holds is NUMBER:
            value = raw[at]
            if value < 0x80:
                at += 1
            else:
                value, at = read_varint(raw, at)
            fields[tag] = value
        else:
            start, at = read_length(raw, at, end)
            _read_content(raw, start, at, tag, holds, fields)
    if at != end:
        raise MalformedError("a field that reaches beyond its message")
    return fields


def _read_content(raw: bytes, start: int, end: int, tag: int, holds: Any, fields: Fields) -> None:
    if holds is TEXT:
        try:
            fields[tag] = str(raw[start:end], "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError("a text that is not UTF-8") from error
    elif holds is SPAN:
        fields.setdefault(tag, []).append((start, end))
    elif isinstance(holds, Many):
        fields.setdefault(tag, []).append(parse(raw, start, end, holds.schema))
    else:
        parse(raw, start, end, holds, fields.setdefault(tag, {}))


def unwrap(fields: Fields, tag: int, absent: int) -> int:
    """Value of a wrapper field: `absent` when it is not there, 0 when it is empty."""
    wrapper = fields.get(tag)
    if wrapper is None:
        return absent
    value: int = wrapper.get(1 << 3, 0)
    return value
