"""A dump into a database, and whether what is there then is what its manifest says."""

from pathlib import Path

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from harvester.database.catalogue import checksum_of, compare_in_utc, digest_of, measure
from harvester.database.dumps import SpoiledError, check_hash, feed_restore
from harvester.database.export import OURS, SCHEMA, drop_export
from harvester.database.manifests import Backup, TableFacts
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
    is_same_text = connection.info.parameter_status("server_encoding") == backup.encoding
    with connection.transaction():
        compare_in_utc(connection)
        for table in backup.tables:
            parts = (SCHEMA, table.table) if backup.kind == "daily" else table.parts
            there = connection.execute("SELECT to_regclass(%s)", [qualified(*parts).as_string(connection)]).fetchone()
            if there is None or there[0] is None:
                problems.append(f"{table.name} is not in it")
                continue
            if trouble := _compare_rows(connection, qualified(*parts), table, is_same_text):
                problems.append(f"{table.name} has {trouble} backed up")
    if problems:
        raise SpoiledError(
            f"{backup.path}: what is restored of it is not what was backed up: {'; '.join(problems)}. Use another"
            " backup; the database that it was restored from may still have the rows."
        )


def _compare_rows(connection: Connection, relation: Composable, table: TableFacts, is_same_text: bool) -> str:
    """What is wrong with the rows, empty where nothing is. Only the digest finds text that no encoding allows."""
    columns = [column.name for column in table.columns]
    rows, checksum = measure(connection, relation, checksum_of(columns))
    if rows != table.rows:
        return f"{rows} rows, and {table.rows} were"
    if is_same_text and checksum == table.checksum:
        return ""
    return "" if measure(connection, relation, digest_of(columns)) == (rows, table.digest) else "other values than were"
