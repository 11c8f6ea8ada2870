"""The daily backup: the chosen rows, copied in one transaction into a schema of their own, and that schema dumped."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from harvester.base.errors import ConfigError
from harvester.base.redaction import one_line
from harvester.config.database import DatabaseSettings, TableSettings
from harvester.database.catalogue import FoundTable, compare_in_utc, count_rows, look_at
from harvester.database.dumps import read_whole, write_dump
from harvester.database.manifests import Backup, TableFacts, dump_path, keep
from harvester.database.programs import choose
from harvester.database.server import BusyError, Connection, Server, ServerError, explain, listed, qualified

SCHEMA = "harvester_export"
OURS = "Rows of a backup of Alpha Harvester; made and dropped by it"
"""The comment by which a schema is known to be one of ours."""
LOCK = 0x6861727665737464
"""Of PostgreSQL's advisory locks: one backup of a database at a time."""
TODAY = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\b(current_date)\b", re.IGNORECASE)


def back_up_rows(server: Server, settings: DatabaseSettings, folder: Path, day: date, since: date) -> Backup:
    """Make the daily backup of a day, with rows as if it were `since`. Raises HarvesterError; then nothing is kept."""
    with working(server, settings) as connection:
        version = server_version(connection)
        program = choose("pg_dump", version[0], f"The server at {server.address}")
        drop_export(connection)
        try:
            tables = _copy_rows(server, connection, settings, since)
            options = [f"--schema={SCHEMA}", "--no-owner", "--no-privileges"]
            options.append(f"--lock-wait-timeout={settings.lock_seconds * 1000}")
            path = dump_path("daily", day)
            written = write_dump(program, server, settings.database, options, folder / path)
        finally:
            drop_export(connection)
    read_whole(choose("pg_restore", program.major, path), folder / path)
    backup = Backup(
        kind="daily",
        day=day,
        since=since,
        path=path,
        bytes=written.bytes,
        sha256=written.sha256,
        database=settings.database,
        server=version[1],
        program=program.version,
        made_at=datetime.now(UTC).isoformat(),
        tables=tuple(tables),
    )
    keep(folder, backup)
    return backup


@contextmanager
def working(server: Server, settings: DatabaseSettings) -> Iterator[Connection]:
    """A session that alone backs up this database. Raises BusyError while another one does."""
    with server.connect(settings.database, autocommit=True) as connection:
        connection.execute(SQL("SET lock_timeout = {}").format(Literal(settings.lock_seconds * 1000)))
        row: Any = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if not row[0]:
            raise BusyError(
                f"{server.address}, database {settings.database}: another backup is at work. Nothing was done twice;"
                " run it again when that one has ended."
            )
        yield connection


def server_version(connection: Connection) -> tuple[int, str]:
    """The major version of the server, and the whole of it."""
    row: Any = connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
    return int(row[0]), connection.info.parameter_status("server_version") or str(row[0])


def drop_export(connection: Connection) -> None:
    """Drop what an export made, or one that was killed. Raises ServerError where the schema is not ours."""
    said: Any = connection.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", [SCHEMA]
    ).fetchone()
    if said is None:
        return
    if said[0] != OURS:
        raise ServerError(
            f"There is a schema {SCHEMA} that no backup made. Rename it (ALTER SCHEMA {SCHEMA} RENAME TO ...), and run"
            " it again; it was left as it is."
        )
    connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(SCHEMA)))


def rows_since(predicate: str, since: date) -> str:
    """The predicate with its CURRENT_DATE, outside of quotes, as that day."""
    return TODAY.sub(lambda found: f"DATE '{since.isoformat()}'" if found[1] else found[0], predicate)


def _copy_rows(server: Server, connection: Connection, settings: DatabaseSettings, since: date) -> list[TableFacts]:
    """All tables as of one moment: whoever writes meanwhile is not seen, and does not wait."""
    names = _names_of(settings.tables)
    connection.autocommit = False
    try:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(SCHEMA)))
        connection.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(SCHEMA), Literal(OURS)))
        for table in settings.tables:
            _copy_table(server, connection, table, names[table.name], rows_since(table.rows, since))
        compare_in_utc(connection)
        tables = [_facts(connection, table, names[table.name]) for table in settings.tables]
        connection.commit()
        return tables
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.autocommit = True


def _names_of(tables: tuple[TableSettings, ...]) -> dict[str, str]:
    """What each is called in the schema of the export: as on the server, unless two have that name."""
    count = Counter(table.parts[1] for table in tables)
    return {
        table.name: table.parts[1] if count[table.parts[1]] == 1 else f"{number}_{table.parts[1]}"[:60]
        for number, table in enumerate(tables, 1)
    }


def _copy_table(server: Server, connection: Connection, table: TableSettings, name: str, rows: str) -> None:
    """The predicate is the operator's own SQL, from the inventory."""
    where = f"{server.address}, table {table.name}"
    found = look_at(connection, table.parts)
    if found is None:
        raise ConfigError(
            f"{where}: there is no such table. Correct database_backup.tables in the inventory, or create the table."
        )
    columns = [column.name for column in found.written]
    statement = SQL("CREATE UNLOGGED TABLE {} AS SELECT {} FROM {} WHERE ").format(
        qualified(SCHEMA, name), listed(columns), qualified(*table.parts)
    )
    try:
        connection.execute(statement + SQL(f"({rows})"))
    except (psycopg.errors.SyntaxError, psycopg.errors.UndefinedColumn, psycopg.errors.DataError) as error:
        raise ConfigError(
            f"{where}: rows: {rows}: {one_line(error.diag.message_primary or error, 300)}. Correct the table's rows in"
            " database_backup of the inventory."
        ) from None
    except psycopg.Error as error:
        raise explain(error, where) from None


def _facts(connection: Connection, table: TableSettings, name: str) -> TableFacts:
    found = look_at(connection, table.parts)
    assert found is not None  # noqa: S101  # it was copied in this transaction
    columns = [column.name for column in found.written]
    rows, digest = count_rows(connection, qualified(SCHEMA, name), columns)
    key, date_column = key_of(table, found), table.date
    if date_column and date_column not in columns:
        raise ConfigError(f"{table.name}: date: there is no column {date_column}. Correct it in database_backup.")
    return TableFacts(
        name=table.name,
        table=name,
        rows=rows,
        digest=digest,
        columns=tuple(column.plain for column in found.written),
        merge=table.merge,
        key=key,
        date=date_column,
    )


def key_of(table: TableSettings, found: FoundTable) -> tuple[str, ...]:
    """By which columns the laptop merges it. Raises ConfigError where the table has no such key, or several."""
    if table.merge == "replace_dates":
        return ()
    if table.key:
        if set(table.key) in map(set, found.keys):
            return table.key
        raise ConfigError(
            f"{table.name}: key: no unique constraint has the columns {', '.join(table.key)}. Correct it in"
            " database_backup of the inventory, or add the constraint."
        )
    if found.primary or len(found.keys) == 1:
        return found.primary or found.keys[0]
    why = "has no key" if not found.keys else "has several keys and no primary one"
    raise ConfigError(
        f"{table.name} {why}. In database_backup of the inventory give it `key`, or `merge: replace_dates` with `date`."
    )
