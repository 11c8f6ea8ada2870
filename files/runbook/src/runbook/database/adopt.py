"""A full backup merged into a database that has tables already: by way of a database of its own, beside it."""

from msgspec.structs import replace
from psycopg.sql import SQL, Composable, Identifier, Literal

from harvester.database.catalogue import look_at
from harvester.database.export import OURS, SCHEMA, drop_export
from harvester.database.manifests import NO_ENCODING, Backup, TableFacts
from harvester.database.merge import Merged, Rules, merge
from harvester.database.server import Connection, Server, listed, qualified


def adopt_full(server: Server, database: str, scratch: str, full: Backup, rules: Rules) -> list[Merged]:
    """Merge what was restored into `scratch`. Raises HarvesterError; the database is as it was then.

    A table without a key that database_backup does not name has nothing to be merged by, and is left out.
    """
    tables = [
        replace(table, table=f"{number}_{table.parts[1]}"[:60])
        for number, table in enumerate(full.tables)
        if table.key or table.merge == "replace_dates"
    ]
    with server.connect(database, autocommit=True) as target, server.connect(scratch) as source:
        drop_export(target)
        with target.transaction():
            target.execute(SQL("CREATE SCHEMA {}").format(Identifier(SCHEMA)))
            target.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(SCHEMA), Literal(OURS)))
            if full.encoding == NO_ENCODING:
                for each in (source, target):  # else PostgreSQL has the bytes be UTF-8
                    each.execute(SQL("SET LOCAL client_encoding = {}").format(Literal(NO_ENCODING)))
            for table in tables:
                _copy(source, target, table)
        return merge(target, replace(full, tables=tuple(tables)), rules)


def is_empty(server: Server, database: str, backup: Backup) -> bool:
    """Whether none of a backup's tables is there."""
    with server.connect(database) as connection:
        return all(look_at(connection, table.parts) is None for table in backup.tables)


def _copy(source: Connection, target: Connection, table: TableFacts) -> None:
    """The rows in PostgreSQL's own binary form, through this process in pieces."""
    columns = SQL(", ").join(_declare(each.name, each.type) for each in table.columns)
    there, here = qualified(*table.parts), qualified(SCHEMA, table.table)
    target.execute(SQL("CREATE UNLOGGED TABLE {} ({})").format(here, columns))
    names = listed([column.name for column in table.columns])
    read = SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(names, there)
    write = SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(here, names)
    with source.cursor() as out, target.cursor() as into, out.copy(read) as rows, into.copy(write) as sink:
        for chunk in rows:
            sink.write(chunk)


def _declare(name: str, type_: str) -> Composable:
    """A column; the type is PostgreSQL's own spelling, from a manifest whose dump was compared."""
    return Identifier(name) + SQL(" ") + SQL(type_)
