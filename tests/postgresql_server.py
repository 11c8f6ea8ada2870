"""A real PostgreSQL of the distribution on a Unix socket of its own, run by a user without rights.

Not to be changed: a test makes a database of its own by `database()`, or boots a server by `running_server()` when it
breaks one. Nothing is durable (fsync is off), and nobody is asked for a password unless `auth` says so.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

SUPERUSER = "postgres"
WITHOUT_RIGHTS = "nobody"
"""Whom root becomes: PostgreSQL refuses to run as root."""
READY_SECONDS = 60
_NUMBERS = count(1)


def programs() -> Path | None:
    """The folder of the newest server's programs, as Debian lays them out; else where PATH has them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `socket_folder` is the host that libpq is given, and the port is always 5432."""

    bin: Path
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def socket_folder(self) -> str:
        return str(self.folder)

    @property
    def log(self) -> str:
        """What the server said."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def connect(self, database: str = SUPERUSER, user: str = SUPERUSER, **more: object) -> "psycopg.Connection":
        """A connection that commits each statement."""
        return psycopg.connect(dbname=database, user=user, host=self.socket_folder, autocommit=True, **more)  # type: ignore[arg-type]

    def create_database(self, name: str = "") -> str:
        """A new, empty database, by this name or one of its own."""
        name = name or f"test_{next(_NUMBERS)}"
        with self.connect() as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return name

    def drop_database(self, name: str) -> None:
        """Whoever is connected is thrown out."""
        with self.connect() as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def running_server(auth: str = "trust", **options: str) -> Iterator[PostgresServer]:
    """A new server, gone afterwards. `options` are of postgresql.conf. Skips the test where there is none."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server here; as root: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        as_user = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(WITHOUT_RIGHTS)
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        prefix = ["setpriv", *as_user, "--pdeathsig=INT"]
        initdb = [str(found / "initdb"), "-D", str(folder / "data"), "-U", SUPERUSER, f"--auth={auth}"]
        initdb += ["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run([*prefix, *initdb], check=True, capture_output=True, cwd=folder)
        values = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        values |= {"shared_buffers": "32MB", "max_wal_size": "1GB", "timezone": "UTC", **options}
        settings = [word for name, value in values.items() for word in ("-c", f"{name}={value}")]
        command = [*prefix, str(found / "postgres"), "-D", str(folder / "data"), *settings]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        server = PostgresServer(found, folder, process)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once; nothing of it is kept
            process.wait(READY_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of a run. Not to be changed: each test has databases of its own."""
    with running_server() as server:
        yield server


def _wait_until_ready(server: PostgresServer) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            server.connect(connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.process.poll() is not None:
                break
            time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start:\n{server.log}")
