"""The weekly full backup: all of the database by pg_dump, and what each table held at that very moment."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from harvester.config.database import DatabaseSettings
from harvester.database.catalogue import checksum_of, compare_in_utc, digest_of, look_at, measure, user_tables
from harvester.database.export import SCHEMA, back_up_rows, drop_export, key_of
from harvester.database.log import kept_log
from harvester.database.making import making
from harvester.database.manifests import Backup, TableFacts, find, load
from harvester.database.server import Connection, Server, qualified


def back_up_day(server: Server, settings: DatabaseSettings, day: date, since: date) -> list[Backup]:
    """The daily backup; and a full one where the last lacks one of its tables or columns. Raises HarvesterError.

    What was added has values of earlier days, too, which no daily backup has.
    """
    before = find(settings.folder)
    daily = back_up_rows(server, settings, settings.folder, day, since)
    if not _is_outgrown(before, daily) or load(settings.folder, "full", day):
        return [daily]
    return [daily, back_up_all(server, settings, settings.folder, day)]


def _is_outgrown(before: Sequence[Backup], daily: Backup) -> bool:
    full = next((each for each in reversed(before) if each.kind == "full"), None)
    last = next((each for each in reversed(before) if each.kind == "daily"), None)
    if full is None:
        return False
    columns = {table.name: table.columns for table in full.tables}
    # A full backup counts no partitions, so what it lacks is new only once.
    known = {*columns, *(table.name for table in last.tables)} if last else {*columns}
    return any(
        columns.get(table.name, table.columns) != table.columns or table.name not in known for table in daily.tables
    )


def back_up_all(server: Server, settings: DatabaseSettings, folder: Path, day: date) -> Backup:
    """Make the full backup of a day. Raises HarvesterError; then nothing is kept."""
    with kept_log(folder, "full", day) as log:
        with making(server, settings, folder, "full", day, log) as made:
            connection = made.connection
            drop_export(connection)
            connection.autocommit = False
            # Other sessions, pg_dump's too, can see what this one sees: the counts are those of the dump.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot: Any = connection.execute("SELECT pg_export_snapshot()").fetchone()
            written = made.dump(f"--snapshot={snapshot[0]}", f"--exclude-schema={SCHEMA}")
            tables = _count_tables(connection, settings)
            connection.rollback()
        return made.finish(written, day, tables)


def _count_tables(connection: Connection, settings: DatabaseSettings) -> list[TableFacts]:
    """Rows and digest of each table of the users, in a transaction, and how the laptop merges it."""
    compare_in_utc(connection)
    stated, facts = {table.name: table for table in settings.tables}, []
    for parts in user_tables(connection, [SCHEMA]):
        found = look_at(connection, parts)
        assert found is not None  # noqa: S101  # it was listed in this transaction
        table = stated.get(found.name)
        columns = [column.plain for column in found.written]
        names = [column.name for column in columns]
        rows, checksum, digest = measure(connection, qualified(*parts), checksum_of(names), digest_of(names))
        facts.append(
            TableFacts(
                name=found.name,
                table="",
                rows=rows,
                digest=digest,
                checksum=checksum,
                columns=tuple(columns),
                merge=table.merge if table else "key",
                key=key_of(table, found) if table else found.primary,
                date=table.date if table else None,
            )
        )
    return facts
