"""The reference table of the configuration, made from the model, so that it cannot lag behind."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

HEAD = "| key | type | default | meaning |\n| --- | --- | --- | --- |"


def describe_settings(model: type[BaseModel]) -> str:
    """A Markdown table with one row per key, nested keys with dots."""
    return "\n".join([HEAD, *_rows(model, "")])


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from _rows(nested, f"{prefix}{name}.")
            continue
        yield f"| `{prefix}{name}` | {_type(nested)} | {_default(field)} | {field.description} |"


def _type(annotation: object) -> str:
    if isinstance(annotation, type) and not get_args(annotation):
        return {"str": "text", "int": "integer", "float": "number", "Path": "path"}.get(
            annotation.__name__, annotation.__name__
        )
    parts = [part for part in get_args(annotation) if part not in (type(None), Ellipsis)]
    if isinstance(parts[0], str):
        return ", ".join(f"`{part}`" for part in parts).replace("|", "\\|")
    inner = _type(parts[0])
    return f"list of {inner}" if getattr(annotation, "__origin__", None) is tuple else inner


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "see meaning"
    if field.default is None:
        return "none"
    value = field.default
    return "`" + (", ".join(map(str, value)) if isinstance(value, tuple) else str(value)) + "`"
