"""The daily backup: the chosen rows, copied in one transaction into a schema of their own, and that schema dumped."""

import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from harvester.base.errors import ConfigError
from harvester.base.redaction import one_line
from harvester.config.database import DatabaseSettings, TableSettings
from harvester.database.catalogue import FoundTable, checksum_of, compare_in_utc, digest_of, look_at, measure
from harvester.database.log import kept_log
from harvester.database.making import making
from harvester.database.manifests import Backup, TableFacts
from harvester.database.server import Connection, Server, ServerError, explain, listed, qualified

SCHEMA = "harvester_export"
OURS = "Rows of a backup of Alpha Harvester; made and dropped by it"
"""The comment by which a schema is known to be one of ours."""
TODAY = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\b(current_date)\b", re.IGNORECASE)


def back_up_rows(server: Server, settings: DatabaseSettings, folder: Path, day: date, since: date) -> Backup:
    """Make the daily backup of a day, with rows as if it were `since`. Raises HarvesterError; then nothing is kept."""
    with kept_log(folder, "daily", day) as log:
        with making(server, settings, folder, "daily", day, log) as made:
            drop_export(made.connection)
            try:
                tables = _copy_rows(server, made.connection, settings, since)
                written = made.dump(f"--schema={SCHEMA}", "--no-owner", "--no-privileges")
            finally:
                drop_export(made.connection)
        return made.finish(written, since, tables)


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
    rows, checksum, digest = measure(connection, qualified(SCHEMA, name), checksum_of(columns), digest_of(columns))
    key, date_column = key_of(table, found), table.date
    if date_column and date_column not in columns:
        raise ConfigError(f"{table.name}: date: there is no column {date_column}. Correct it in database_backup.")
    return TableFacts(
        name=table.name,
        table=name,
        rows=rows,
        digest=digest,
        checksum=checksum,
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
