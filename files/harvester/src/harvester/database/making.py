"""What each backup begins and ends with: alone at work, programs of the server's version, its dump read back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from psycopg.sql import SQL, Literal

from harvester.config.database import DatabaseSettings
from harvester.database.dumps import Written, read_whole, write_dump
from harvester.database.log import BackupLog
from harvester.database.manifests import NO_ENCODING, Backup, Kind, TableFacts, dump_path, keep
from harvester.database.programs import Program, choose
from harvester.database.server import BusyError, Connection, Server

LOCK = 0x6861727665737464
"""Of PostgreSQL's advisory locks: one backup of a database at a time."""


@dataclass(frozen=True)
class Making:
    """A backup that is being made; `connection` is a session in which each statement commits."""

    server: Server
    settings: DatabaseSettings
    folder: Path
    kind: Kind
    day: date
    connection: Connection
    version: str
    """Of the server."""
    program: Program
    encoding: str
    """Of the database."""
    log: BackupLog

    def dump(self, *options: str) -> Written:
        """Write the dump. Raises HarvesterError; then nothing has its name."""
        waits = f"--lock-wait-timeout={self.settings.lock_seconds * 1000}"
        path = self.folder / dump_path(self.kind, self.day)
        # PostgreSQL converts between UTF-8 and any other encoding, but not between any two.
        encoding = NO_ENCODING if self.encoding == NO_ENCODING else "UTF8"
        words = [*options, waits, f"--encoding={encoding}"]
        written = write_dump(self.program, self.server, self.settings.database, words, path)
        self.log.say(f"dumped by pg_dump {self.program.version}: {written.bytes} bytes, SHA-256 {written.sha256}")
        return written

    def finish(self, written: Written, since: date, tables: Sequence[TableFacts]) -> Backup:
        """Have pg_restore read the dump to its end, and write its manifest. Raises HarvesterError, OSError."""
        path = dump_path(self.kind, self.day)
        reader = choose("pg_restore", self.program.major, path)
        read_whole(reader, self.folder / path)
        backup = Backup(
            kind=self.kind,
            day=self.day,
            since=since,
            path=path,
            bytes=written.bytes,
            sha256=written.sha256,
            database=self.settings.database,
            server=self.version,
            program=self.program.version,
            encoding=self.encoding,
            made_at=datetime.now(UTC).isoformat(),
            tables=tuple(tables),
        )
        for table in tables:
            self.log.say(f"{table.name}: {table.rows} rows")
        self.log.say(f"complete: pg_restore {reader.version} read it to its end; rows since {since}")
        keep(self.folder, backup)
        return backup


@contextmanager
def making(
    server: Server, settings: DatabaseSettings, folder: Path, kind: Kind, day: date, log: BackupLog
) -> Iterator[Making]:
    """A session that alone backs up this database. Raises BusyError while another one does, HarvesterError."""
    log.say(f"begun: database {settings.database} at {server.address}")
    with server.connect(settings.database, autocommit=True) as connection:
        connection.execute(SQL("SET lock_timeout = {}").format(Literal(settings.lock_seconds * 1000)))
        row: Any = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if not row[0]:
            raise BusyError(
                f"{server.address}, database {settings.database}: another backup is at work. Nothing was done twice;"
                " run it again when that one has ended."
            )
        major, version = _version(connection)
        program = choose("pg_dump", major, f"The server at {server.address}")
        encoding = connection.info.parameter_status("server_encoding") or "UTF8"
        yield Making(server, settings, folder, kind, day, connection, version, program, encoding, log)


def _version(connection: Connection) -> tuple[int, str]:
    """The major version of the server, and the whole of it."""
    row: Any = connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
    return int(row[0]), connection.info.parameter_status("server_version") or str(row[0])
