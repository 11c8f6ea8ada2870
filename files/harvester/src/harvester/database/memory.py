"""What a merged database remembers of the server, in a schema of its own, changed in the transactions of the merges."""

from datetime import date
from typing import Any

from psycopg.sql import SQL, Composable, Identifier

from harvester.database.manifests import Backup
from harvester.database.server import Connection

SCHEMA = "harvester_sync"
TABLES = """
CREATE SCHEMA IF NOT EXISTS harvester_sync;
CREATE TABLE IF NOT EXISTS harvester_sync.numbers (
    name text, key_column text, newest bigint NOT NULL, PRIMARY KEY (name, key_column));
CREATE TABLE IF NOT EXISTS harvester_sync.merged (
    path text PRIMARY KEY, sha256 text NOT NULL, day date NOT NULL, since date NOT NULL, made_at text NOT NULL,
    merged_at timestamptz NOT NULL DEFAULT now());
"""


def prepare(connection: Connection) -> None:
    """Make the tables where they are not there yet."""
    connection.execute(TABLES)


def newest_number(connection: Connection, name: str, column: str) -> int | None:
    """The highest number of the server's rows that came until now; None: none came."""
    statement = "SELECT newest FROM harvester_sync.numbers WHERE name = %s AND key_column = %s"
    row: Any = connection.execute(statement, [name, column]).fetchone()
    return int(row[0]) if row else None


def remember_number(connection: Connection, name: str, column: str, source: Composable) -> None:
    """Note the highest number of the rows that came."""
    statement = SQL(
        "INSERT INTO harvester_sync.numbers AS kept SELECT %s, %s, max({0}) FROM {1} HAVING max({0}) IS NOT NULL"
        " ON CONFLICT (name, key_column) DO UPDATE SET newest = greatest(kept.newest, EXCLUDED.newest)"
        " WHERE kept.newest < EXCLUDED.newest"
    ).format(Identifier(column), source)
    connection.execute(statement, [name, column])


def is_merged(connection: Connection, backup: Backup) -> bool:
    """Whether this very backup was merged."""
    statement = "SELECT 1 FROM harvester_sync.merged WHERE path = %s AND sha256 = %s"
    return connection.execute(statement, [backup.path, backup.sha256]).fetchone() is not None


def remember(connection: Connection, backup: Backup) -> None:
    """Note that a backup was merged."""
    statement = (
        "INSERT INTO harvester_sync.merged (path, sha256, day, since, made_at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (path) DO UPDATE SET (sha256, day, since, made_at, merged_at) ="
        " (EXCLUDED.sha256, EXCLUDED.day, EXCLUDED.since, EXCLUDED.made_at, now())"
    )
    connection.execute(statement, [backup.path, backup.sha256, backup.day, backup.since, backup.made_at])


def newest_merged(connection: Connection) -> tuple[date, str] | None:
    """Day and moment of the newest backup that was merged."""
    row: Any = connection.execute(
        "SELECT day, made_at FROM harvester_sync.merged ORDER BY made_at DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None
