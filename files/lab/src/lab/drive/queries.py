"""Drive's search queries: terms with =, !=, contains and in, joined by and, or, not and brackets."""

import re
from collections.abc import Callable

from lab.drive.files import File

Test = Callable[[File], bool]
TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(!=|=|\(|\)|[A-Za-z]+))")


class QueryError(ValueError):
    """Drive answers 400 invalid to such a query."""


def read_query(text: str) -> Test:
    """Whether a file is found by a query; by an empty one each is. Raises QueryError."""
    if not text.strip():
        return lambda _: True
    words, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            raise QueryError(text)
        words.append(match[0].strip())
        at = match.end()
    parser = _Parser(words)
    test = parser.either()
    if parser.words:
        raise QueryError(text)
    return test


class _Parser:
    def __init__(self, words: list[str]) -> None:
        self.words = words

    def either(self) -> Test:
        tests = [self.both()]
        while self.words[:1] == ["or"]:
            self.next()
            tests.append(self.both())
        return lambda file: any(test(file) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.words[:1] == ["and"]:
            self.next()
            tests.append(self.one())
        return lambda file: all(test(file) for test in tests)

    def one(self) -> Test:
        word = self.next()
        if word == "(":
            test = self.either()
            self.expect(")")
            return test
        if word == "not":
            denied = self.one()
            return lambda file: not denied(file)
        if word.startswith("'"):
            self.expect("in")
            self.expect("parents")
            parent = _plain(word)
            return lambda file: parent in file.parents
        return _term(word, self.next(), self.next())

    def next(self) -> str:
        if not self.words:
            raise QueryError("it ends too soon")
        return self.words.pop(0)

    def expect(self, word: str) -> None:
        if self.next() != word:
            raise QueryError(f"{word} is expected")


def _term(name: str, operator: str, given: str) -> Test:
    value: object = _plain(given) if given.startswith("'") else {"true": True, "false": False}.get(given)
    if name not in ("name", "mimeType", "trashed") or operator not in ("=", "!=", "contains") or value is None:
        raise QueryError(f"{name} {operator} {given}")
    if operator == "contains":
        return lambda file: str(value).lower() in str(file.fields[name]).lower()
    return lambda file: (file.fields[name] == value) == (operator == "=")


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
