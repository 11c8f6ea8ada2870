"""Files written by people, checked against a model: every finding at once, as `key: rule`, never with a value.

A model is a msgspec Struct, which is small enough for the recorder to check its own configuration.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec.structs import fields

WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "date": "a date",
}
PLACE = re.compile(r" - at `(?:key` in `)?\$?(.*)`$")


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of a file written by people. Its `__post_init__` raises ValueError for keys that do not go together.

    Paths must be absolute. A type that JSON lacks has a class method `parse` that makes it of JSON data, or raises
    ValueError.
    """


Checked = TypeVar("Checked", bound=Model)


class Refused(ValueError):
    """What is wrong with some data: one line for each finding."""


def validate(model: type[Checked], data: object) -> Checked:
    """The model of JSON data. Raises Refused with every finding, which never quotes a value: it may be a secret."""
    try:
        return msgspec.convert(data, model, strict=False, dec_hook=_make)
    except msgspec.ValidationError:
        raise Refused("\n".join(f"  {finding}" for finding in _findings(model, data, ""))) from None


def suggest(word: str, known: list[str]) -> str:
    """Say "did you mean ...?" with the nearest of `known`, or list them all when none is near."""
    import difflib  # only ever needed by a person who mistyped

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else "known keys: " + ", ".join(known)


def plain_type(hint: Any) -> Any:
    """The type without its constraints, and without the None that stands for "not set"."""
    if get_origin(hint) is Annotated:
        return plain_type(get_args(hint)[0])
    parts = get_args(hint)
    return plain_type(parts[0]) if type(None) in parts else hint


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _findings(hint: Any, data: object, at: str) -> list[str]:
    """The findings in the parts of `data`; where these are well, the one of the whole, if any."""
    kind = plain_type(hint)
    found = list(_wrong_keys(kind, data, at)) if is_model(kind) and isinstance(data, Mapping) else []
    for part, value, place in _parts(kind, data, at):
        found += _findings(part, value, place)
    if not found:
        try:
            msgspec.convert(data, hint, strict=False, dec_hook=_make)
        except msgspec.ValidationError as error:
            found = [_sentence(str(error), hint, at)]
    return found


def _wrong_keys(model: type[Model], data: Mapping[str, object], at: str) -> Iterator[str]:
    known = {field.encode_name: field for field in fields(model)}
    for key in data:
        if key not in known:
            yield f"{_join(at, key)}: unknown key; {suggest(key, sorted(known))}"
    for key, field in known.items():
        if key not in data and field.required:
            yield f"{_join(at, key)}: required, and not set"


def _parts(kind: Any, data: object, at: str) -> Iterator[tuple[Any, object, str]]:
    """Type, value and place of what is inside: keys of a model, items of a list, keys and values of a dictionary."""
    arguments = get_args(kind)
    if is_model(kind) and isinstance(data, Mapping):
        for field in fields(kind):
            if field.encode_name in data:
                yield field.type, data[field.encode_name], _join(at, field.encode_name)
    elif get_origin(kind) is dict and isinstance(data, Mapping):
        for key, value in data.items():
            yield arguments[0], key, _join(at, key)
            yield arguments[1], value, _join(at, key)
    elif get_origin(kind) in (tuple, list) and isinstance(data, list):
        for number, value in enumerate(data):
            yield arguments[min(number, len(arguments) - 1) if ... not in arguments else 0], value, f"{at}[{number}]"


def _make(kind: Any, data: object) -> Any:
    """A value of a type that JSON lacks."""
    if kind is not Path:
        return kind.parse(data)
    if not isinstance(data, str) or not data.startswith("/"):
        raise ValueError("must be an absolute path")
    return Path(data)


def _sentence(message: str, hint: Any, at: str) -> str:
    """msgspec's message in words, with the choices in place of the value that is none of them."""
    place = at + "".join(PLACE.findall(message))
    choices = _choices(plain_type(hint)) if message.startswith("Invalid enum value") else ()
    message = "must be one of " + ", ".join(choices) if choices else PLACE.sub("", message)
    message = message.replace("Expected ", "must be ").replace(", got ", ", not ").replace(r"\\Z'", "$'")
    message = re.sub(r"`([^`]*)`", lambda words: _in_words(words[1]), message)
    return f"{place or 'the file as a whole'}: {message}"


def _in_words(kinds: str) -> str:
    return " or ".join(WORDS.get(kind, kind) for kind in kinds.split(" | "))


def _choices(kind: Any) -> tuple[str, ...]:
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def _join(at: str, key: object) -> str:
    return f"{at}.{key}" if at else str(key)
