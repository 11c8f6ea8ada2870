"""The weekly full backup: all of the database by pg_dump, and what each table held at that very moment."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from harvester.config.database import DatabaseSettings
from harvester.database.catalogue import compare_in_utc, count_rows, look_at, user_tables
from harvester.database.dumps import read_whole, write_dump
from harvester.database.export import SCHEMA, drop_export, key_of, server_version, working
from harvester.database.manifests import Backup, TableFacts, dump_path, keep
from harvester.database.programs import choose
from harvester.database.server import Connection, Server, qualified


def back_up_all(server: Server, settings: DatabaseSettings, folder: Path, day: date) -> Backup:
    """Make the full backup of a day. Raises HarvesterError; then nothing is kept."""
    with working(server, settings) as connection:
        version = server_version(connection)
        program = choose("pg_dump", version[0], f"The server at {server.address}")
        drop_export(connection)
        connection.autocommit = False
        # Other sessions, pg_dump's too, can see what this one sees: the counts are those of the dump.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot: Any = connection.execute("SELECT pg_export_snapshot()").fetchone()
        options = [f"--snapshot={snapshot[0]}", f"--exclude-schema={SCHEMA}"]
        options.append(f"--lock-wait-timeout={settings.lock_seconds * 1000}")
        path = dump_path("full", day)
        written = write_dump(program, server, settings.database, options, folder / path)
        tables = _count_tables(connection, settings)
        connection.rollback()
    read_whole(choose("pg_restore", program.major, path), folder / path)
    backup = Backup(
        kind="full",
        day=day,
        since=day,
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


def _count_tables(connection: Connection, settings: DatabaseSettings) -> list[TableFacts]:
    """Rows and digest of each table of the users, in a transaction, and how the laptop merges it."""
    compare_in_utc(connection)
    stated, facts = {table.name: table for table in settings.tables}, []
    for parts in user_tables(connection, [SCHEMA]):
        found = look_at(connection, parts)
        assert found is not None  # noqa: S101  # it was listed in this transaction
        table = stated.get(found.name)
        columns = [column.plain for column in found.written]
        rows, digest = count_rows(connection, qualified(*parts), [column.name for column in columns])
        facts.append(
            TableFacts(
                name=found.name,
                table="",
                rows=rows,
                digest=digest,
                columns=tuple(columns),
                merge=table.merge if table else "key",
                key=key_of(table, found) if table else found.primary,
                date=table.date if table else None,
            )
        )
    return facts
