"""The reference table of the configuration, made from the model, so that it cannot lag behind."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from msgspec import NODEFAULT
from msgspec.structs import FieldInfo, fields

from harvester.base.validation import Model, is_model, plain_type

HEAD = "| key | type | default | meaning |\n| --- | --- | --- | --- |"
WORDS = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "Path": "path",
    "SymbolRule": "rules",
    "IndexList": "index lists",
    "DeliverySettings": "deliveries",
}


def describe_settings(model: type[Model]) -> str:
    """A Markdown table with one row per key, nested keys with dots."""
    return "\n".join([HEAD, *_rows(model, "")])


def _rows(model: type[Model], prefix: str) -> Iterator[str]:
    meanings = _meanings(model)
    for field in fields(model):
        kind = plain_type(field.type)
        if is_model(kind):
            yield from _rows(kind, f"{prefix}{field.name}.")
        else:
            yield f"| `{prefix}{field.name}` | {_type(kind)} | {_default(field)} | {meanings[field.name]} |"


def _meanings(model: type[Model]) -> dict[str, str]:
    """The text below each field, by the field's name."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = node.body if isinstance(node, ast.ClassDef) else []
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _type(kind: Any) -> str:
    kind = plain_type(kind)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_type(get_args(kind)[0])}"
    name: str = kind.__name__
    return WORDS.get(name, name)


def _default(field: FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is NODEFAULT:
        return "see meaning"
    if field.default is None:
        return "none"
    value = field.default
    return "`" + (", ".join(map(str, value)) if isinstance(value, tuple) else str(value)) + "`"
