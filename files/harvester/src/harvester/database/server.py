"""A PostgreSQL server: connections to it, what programs of PostgreSQL are told of it, and its errors in words."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Composable, Identifier, Literal

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import in_force
from harvester.base.passwords import GuessedError, refuse_guessed
from harvester.base.redaction import Secret, one_line, register_secret
from harvester.config.database import DatabaseSettings

CREDENTIAL = "DATABASE_PASSWORD"
"""Of a unit: systemd puts it below $CREDENTIALS_DIRECTORY."""
CONNECT_SECONDS = 10
Connection = psycopg.Connection[tuple[Any, ...]]
SESSION = {"DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex"}
"""What the text of a value rests on: the same in each session, so that digests can be compared."""


OTHER_ENCODING = (
    "the encoding of the database here lacks a character that came. Have one made that has it:"
    " ./inv pull-database --full --database NAME."
)
WITHOUT_ENCODING = (
    "text that came is in no encoding (the server's database is SQL_ASCII), and the database here has one. Have one"
    " made without, too: ./inv pull-database --full --database NAME."
)


class ServerError(HarvesterError):
    """PostgreSQL refused something, or cannot be reached."""


class BusyError(ServerError):
    """Somebody else is at work there."""


@dataclass(frozen=True)
class Server:
    """How to reach a server; what is empty is found by libpq itself (PGHOST, ~/.pgpass, ...)."""

    host: str = ""
    port: int = 0
    user: str = ""
    password: Secret | None = None
    timezone: str = field(default_factory=lambda: in_force().zone_name)

    @property
    def address(self) -> str:
        """As a person knows it."""
        host = self.host or os.environ.get("PGHOST") or "this machine"
        return f"{host}{f':{self.port}' if self.port else ''}"

    @contextlib.contextmanager
    def connect(self, database: str, *, autocommit: bool = False) -> Iterator[Connection]:
        """A session. Raises ServerError for whatever PostgreSQL refuses inside of it; nothing is committed then."""
        parts = {"host": self.host, "port": self.port or "", "user": self.user}
        # Else psycopg takes the database's own encoding, and of SQL_ASCII no text but bytes.
        given: dict[str, Any] = {name: value for name, value in parts.items() if value} | {"client_encoding": "UTF8"}
        if self.password:
            given["password"] = self.password.get_secret_value()
        options = {"TimeZone": self.timezone, **SESSION}
        with self.explained(database):
            connection = psycopg.connect(
                dbname=database, connect_timeout=CONNECT_SECONDS, application_name="harvester", autocommit=True, **given
            )
            try:
                for name, value in options.items():
                    connection.execute(SQL("SET {} = {}").format(Identifier(name), Literal(value)))
                connection.autocommit = autocommit
                with connection:
                    yield connection
            finally:
                connection.close()

    @contextlib.contextmanager
    def environment(self, database: str) -> Iterator[dict[str, str]]:
        """For pg_dump and pg_restore: the password is in a file that this user alone may read, while they run."""
        given = {"PGDATABASE": database, "PGHOST": self.host, "PGPORT": str(self.port or ""), "PGUSER": self.user}
        found = {name: value for name, value in os.environ.items() if name != "PGOPTIONS"}
        found |= {name: value for name, value in given.items() if value}
        found |= {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), "LC_ALL": "C.UTF-8"}
        if self.password is None:
            yield found
            return
        with tempfile.TemporaryDirectory(prefix="pgpass-") as folder:
            path = Path(folder) / "pgpass"
            path.touch(mode=0o600)
            escaped = self.password.get_secret_value().replace("\\", "\\\\").replace(":", "\\:")
            path.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
            found.pop("PGPASSWORD", None)
            yield found | {"PGPASSFILE": str(path)}

    @contextlib.contextmanager
    def explained(self, database: str) -> Iterator[None]:
        """Turn what psycopg raises into a ServerError that says what to do."""
        try:
            yield
        except psycopg.Error as error:
            raise explain(error, f"PostgreSQL at {self.address}, database {database}") from None


def explain(error: psycopg.Error, where: str) -> ServerError:
    """The error in words; PostgreSQL's own message is part of it, secrets are not."""
    said = one_line(error.diag.message_primary or error, 300)
    if detail := error.diag.message_detail:
        said += f" ({one_line(detail, 200)})"
    if isinstance(error, (errors.LockNotAvailable, errors.DeadlockDetected)):
        return BusyError(
            f"{where}: {said}. Somebody holds a table that is needed; The view pg_stat_activity shows who."
            " Nothing was changed; run it again when they are done."
        )
    if isinstance(error, (errors.DiskFull, errors.InsufficientResources)):
        return ServerError(f"{where}: {said}. Make room on the server's disk, and run it again; nothing was changed.")
    if isinstance(error, (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter)):
        is_none = isinstance(error, errors.CharacterNotInRepertoire)
        return ServerError(f"{where}: {said}: {WITHOUT_ENCODING if is_none else OTHER_ENCODING} Nothing was changed.")
    if isinstance(error, (errors.InvalidPassword, errors.InvalidAuthorizationSpecification)) or "password" in said:
        return ServerError(
            f"{where}: {said}. Correct the user or the password: on a host in database_backup of the inventory, on a"
            " laptop in ~/.pgpass."
        )
    if isinstance(error, errors.InvalidCatalogName) or ("database" in said and "does not exist" in said):
        return ServerError(f"{where}: {said}. Correct the name of the database, or create it.")
    if isinstance(error, errors.InsufficientPrivilege):
        return ServerError(f"{where}: {said}. Give the user that right, or name another one.")
    if error.sqlstate is None or error.sqlstate[:2] in ("08", "57"):
        return ServerError(f"{where}: {said}. Is the server running, and can it be reached? Then run it again.")
    return ServerError(f"{where}: {said}. Nothing was changed; correct that and run it again.")


def server_of(settings: DatabaseSettings) -> Server:
    """The server that a host's settings name. Raises ConfigError where its password cannot be read, or is a default."""
    path = settings.password_file
    if path is None and (folder := os.environ.get("CREDENTIALS_DIRECTORY")):
        found = Path(folder) / CREDENTIAL
        path = found if found.exists() else None
    password = read_password(path, settings) if path else None
    return Server(settings.host, settings.port, settings.user, password, settings.timezone or in_force().zone_name)


def read_password(path: Path, settings: DatabaseSettings) -> Secret:
    """The password in a file. Raises ConfigError where it cannot be read, or is one that everybody tries first."""
    try:
        password = Secret(path.read_text("utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigError(f"{path}: the password cannot be read ({why}). site.yml writes it.") from None
    register_secret(password)
    try:
        refuse_guessed(password.get_secret_value(), [settings.user, settings.database], str(path))
    except GuessedError as error:
        raise ConfigError(
            f"{error} Set another in the database (ALTER USER ... PASSWORD), put it where this file comes from, your"
            " machine or SSM, and run site.yml."
        ) from None
    return password


def qualified(schema: str, table: str) -> Composable:
    """The quoted name of a table."""
    return SQL("{}.{}").format(Identifier(schema), Identifier(table))


def listed(names: "tuple[str, ...] | list[str]", prefix: str = "") -> Composable:
    """Quoted names with commas, each of the relation `prefix` where one is given."""
    parts = [Identifier(prefix, name) if prefix else Identifier(name) for name in names]
    return SQL(", ").join(parts)
