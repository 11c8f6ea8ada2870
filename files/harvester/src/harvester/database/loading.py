"""A dump into a database, and whether what is there then is what its manifest says."""

from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from harvester.database.catalogue import compare_in_utc, count_rows
from harvester.database.dumps import SpoiledError, check_hash, feed_restore
from harvester.database.export import OURS, SCHEMA, drop_export
from harvester.database.manifests import Backup
from harvester.database.programs import choose
from harvester.database.server import Connection, Server, qualified


def load_rows(server: Server, database: str, connection: Connection, folder: Path, backup: Backup) -> None:
    """Bring a daily backup into the schema of exports, compared row by row with its manifest by digest.

    Raises SpoiledError; what came is dropped then. `connection` commits each statement.
    """
    drop_export(connection)
    check_hash(folder / backup.path, backup.bytes, backup.sha256)
    restore_dump(server, database, folder, backup, ["--single-transaction", "--no-owner", "--no-privileges"])
    # pg_restore brings the comment as well; an older form of the dump may lack it.
    connection.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(SCHEMA), Literal(OURS)))
    try:
        compare(connection, backup)
    except (SpoiledError, psycopg.DataError):
        drop_export(connection)
        raise


def restore_dump(server: Server, database: str, folder: Path, backup: Backup, options: list[str]) -> None:
    """pg_restore of a dump into a database. Raises HarvesterError with what it said."""
    path = folder / backup.path
    program = choose("pg_restore", backup.major, str(path))
    with server.environment(database) as environment:
        feed_restore(program, ["--exit-on-error", f"--dbname={database}", *options], path, environment)


def compare(connection: Connection, backup: Backup) -> None:
    """Compare each table of a backup that was restored, by rows and digest. Raises SpoiledError."""
    problems = []
    with connection.transaction():
        compare_in_utc(connection)
        for table in backup.tables:
            parts = (SCHEMA, table.table) if backup.kind == "daily" else table.parts
            there = connection.execute("SELECT to_regclass(%s)", [qualified(*parts).as_string(connection)]).fetchone()
            if there is None or there[0] is None:
                problems.append(f"{table.name} is not in it")
                continue
            rows, digest = count_rows(connection, qualified(*parts), [column.name for column in table.columns])
            if rows != table.rows:
                problems.append(f"{table.name} has {rows} rows, and {table.rows} were backed up")
            elif digest != table.digest:
                problems.append(f"{table.name} has other values than were backed up")
    if problems:
        raise SpoiledError(
            f"{backup.path}: what is restored of it is not what was backed up: {'; '.join(problems)}. Use another"
            " backup; the database that it was restored from may still have the rows."
        )
