"""Passwords of databases that everybody tries first: empty ones, defaults, names. Refused wherever they come from."""

import re
from collections.abc import Iterable

from harvester.base.errors import ConfigError

GUESSED = frozenset(
    {
        *("admin", "changeme", "default", "docker", "example", "letmein", "market", "mydb", "mysecretpassword"),
        *("password", "postgres", "qwerty", "root", "secret", "test", "user"),
        *("12345678", "123456789", "1234567890"),
    }
)
"""roles/application/files/install_application.py, which runs where this package is not, has the same."""
LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)")
SECRET = re.compile(r"(?:POSTGRES|PG|DB|DATABASE|SQL).*PASS(?:WORD|WD|PHRASE)?\Z")
NAME = re.compile(r"(?:USER|_DB|DATABASE)\Z")


class GuessedError(ConfigError):
    """A password is empty or a default; the message says where, and never what it is."""


def refuse_guessed(password: str, names: Iterable[str], where: str) -> None:
    """Raise GuessedError for a password that is empty, a default, or one of these names of the database."""
    if not (said := password.strip()):
        raise GuessedError(f"{where}: the password is empty, so anybody is let in who asks.")
    if said.lower() in GUESSED or said.lower() in {name.lower() for name in names}:
        raise GuessedError(
            f"{where}: the password is a default, or a name of the database, which everybody tries first."
        )


def refuse_variables(text: str, where: str) -> None:
    """The same of each password of a database in a file of variables, as it is written there."""
    found = {match[1]: _plain(match[2]) for line in text.splitlines() if (match := LINE.match(line.strip()))}
    names = [value for key, value in found.items() if NAME.search(key) and value]
    for key, value in found.items():
        if SECRET.search(key):
            refuse_guessed(value, names, f"{where}, {key}")


def refuse_stored(name: str, value: str, names: Iterable[str], where: str) -> None:
    """The same of what `secret-put` stores by this name, where it is of a database; other secrets pass."""
    if name == "database-password":
        refuse_guessed(value, names, where)
    elif name == "application-variables":
        refuse_variables(value, where)


def _plain(text: str) -> str:
    """A value without its quotes, or without a remark after it."""
    said = text.strip()
    if said[:1] in ("'", '"') and (end := said.find(said[0], 1)) > 0:
        return said[1:end]
    return re.split(r"\s#", f" {said}", maxsplit=1)[0].strip()
