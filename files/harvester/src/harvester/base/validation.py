"""Pydantic's findings as sentences a person can act on: the key, the rule, and the key that was probably meant."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError


class StrictModel(BaseModel):
    """A piece of a file written by people: unknown keys are mistakes, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """All findings of `error`, one line each: `key: rule`. Never quotes a value, which may be a secret pasted wrong."""
    return "\n".join(f"  {_key(finding['loc'])}: {_rule(finding, model)}" for finding in error.errors())


def suggest(word: str, known: list[str]) -> str:
    """Say "did you mean ...?" with the nearest of `known`, or list them all when none is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else "known keys: " + ", ".join(known)


def _key(location: tuple[int | str, ...]) -> str:
    parts = ""
    for part in location:
        parts += f"[{part}]" if isinstance(part, int) else f".{part}" if parts else part
    return parts or "the file as a whole"


def _rule(finding: Mapping[str, Any], model: type[BaseModel]) -> str:
    location = finding["loc"]
    if finding["type"] == "extra_forbidden":
        return "unknown key; " + suggest(str(location[-1]), _keys_at(model, location[:-1]))
    if finding["type"] == "missing":
        return "required, and not set"
    message = str(finding["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return sorted(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
