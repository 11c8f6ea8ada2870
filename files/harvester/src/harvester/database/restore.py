"""Backups into a new database, and its change for the one in use by renaming both."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg.sql import SQL, Identifier, Literal

from harvester.database import memory
from harvester.database.catalogue import look_at
from harvester.database.loading import compare, load_rows, restore_dump
from harvester.database.manifests import NO_ENCODING, Backup
from harvester.database.merge import Rules, merge
from harvester.database.server import BusyError, Connection, Server, ServerError, qualified

MAINTENANCE = "postgres"
"""The database that is always there, in which others are made and renamed."""
COMMENT = "Made by Alpha Harvester from backups"
LONGEST = 63


def restore(
    server: Server, name: str, folder: Path, backups: Sequence[Backup], say: Callable[[str], None] = lambda _: None
) -> None:
    """Make the database `name` of a full backup and the daily ones after it, each compared with its manifest.

    Raises HarvesterError; what was made until then is dropped.
    """
    full, *daily = backups
    create(server, name, full.encoding)
    try:
        say(full.path)
        restore_dump(server, name, folder, full, ["--no-owner", "--no-privileges"])
        with server.connect(name, autocommit=True) as connection:
            compare(connection, full)
            with connection.transaction():
                note_full(connection, full)
            for backup in daily:
                say(backup.path)
                load_rows(server, name, connection, folder, backup)
                merge(connection, backup, Rules(local="overwrite", add_columns=True))
    except BaseException:
        drop(server, name)
        raise


def note_full(connection: Connection, full: Backup) -> None:
    """Remember what came with a full backup, so that what is merged later goes on from it."""
    memory.prepare(connection)
    for facts in full.tables:
        table = look_at(connection, facts.parts)
        for column in table.columns if table else ():
            if column.sequence and facts.key == (column.name,):
                memory.remember_number(connection, facts.name, column.name, qualified(*facts.parts))
    memory.remember(connection, full)


def create(server: Server, name: str, encoding: str) -> None:
    """Make an empty database of ours, which can hold any text of a database with that encoding. Raises ServerError.

    One that was left by a run that was killed is dropped.
    """
    if len(name.encode()) > LONGEST:
        raise ServerError(
            f"{name}: the name of a database ends at {LONGEST} bytes. Rename the database to a shorter one."
        )
    with server.connect(MAINTENANCE, autocommit=True) as connection:
        row: Any = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if row is not None and row[0] != COMMENT:
            raise ServerError(f"There is a database {name} that no restore made. Rename it, and run it again.")
        if row is not None:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        made = SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name))
        row = connection.execute(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'"
        ).fetchone()
        if row[0] != encoding and (row[0] != "UTF8" or encoding == NO_ENCODING):
            # The locale of all others is of another encoding.
            made += SQL(" ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(Literal(encoding))
        connection.execute(made)
        connection.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(COMMENT)))


def drop(server: Server, name: str) -> None:
    """Drop a database that `create` made."""
    with server.connect(MAINTENANCE, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def exists(server: Server, name: str) -> bool:
    """Whether there is a database of that name."""
    with server.connect(MAINTENANCE, autocommit=True) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def switch(server: Server, name: str, new: str) -> str:
    """Give the new database the name, and the old one, if any, another one, which is returned; both or neither.

    Raises BusyError while somebody is connected to either. Autovacuum is nobody: PostgreSQL ends it to rename.
    """
    old = f"{name}_before_{datetime.now(UTC):%Y%m%d%H%M%S}"
    if len(old.encode()) > LONGEST:
        raise ServerError(
            f"{old}: the name of a database ends at {LONGEST} bytes. Rename the database to a shorter one."
        )
    was_there = exists(server, name)
    with server.connect(MAINTENANCE) as connection:
        rows: list[Any] = connection.execute(
            "SELECT DISTINCT coalesce(nullif(application_name, ''), usename, 'somebody') FROM pg_stat_activity"
            " WHERE datname IN (%s, %s) AND backend_type <> 'autovacuum worker'",
            [name, new],
        ).fetchall()
        if rows:
            raise BusyError(
                f"{server.address}: {', '.join(sorted(str(row[0]) for row in rows))} is connected to {name}, so it"
                f" cannot be renamed. Stop that. {new} stays, and is made anew by the next run."
            )
        if was_there:
            connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(name), Identifier(old)))
        connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(new), Identifier(name)))
        connection.execute(SQL("COMMENT ON DATABASE {} IS NULL").format(Identifier(name)))
    return old if was_there else ""
