"""A real PostgreSQL of the distribution, run by a user without rights.

`PostgresServer` is on a Unix socket of its own and asks nobody for a password: not to be changed, for a test makes
databases of its own, or boots a server by `running_server()` when it breaks one. `Server` is one that a test stops and
starts, with TLS, passwords, and certificates that are made here. Nothing is durable: fsync is off.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.sql import SQL, Identifier

SUPERUSER = "postgres"
WITHOUT_RIGHTS = "nobody"
"""Whom root becomes: PostgreSQL refuses to run as root."""
READY_SECONDS = 60
ABSENT = "no PostgreSQL server here (requirements/apt-postgresql.txt); as root: apt-get install postgresql"
USER, PASSWORD = "harvester", "Pa ss%40/#:?&='\\ü"
NAME_OF_SERVER = "db.example.test"
"""What the certificate of a Server is for; a DSN reaches it by hostaddr."""
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
        pytest.skip(ABSENT)
    with _folder() as folder:
        _initialise(found, folder, auth, "C.UTF-8")
        values = {"listen_addresses": "", "unix_socket_directories": str(folder), "shared_buffers": "32MB"}
        process = _start(found, folder, values | {"max_wal_size": "1GB", "timezone": "UTC", **options})
        server = PostgresServer(found, folder, process)
        try:
            _wait_until_ready(process, folder, lambda: server.connect(connect_timeout=5).close())
            yield server
        finally:
            _stop(process)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of a run. Not to be changed: each test has databases of its own."""
    with running_server() as server:
        yield server


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of the user that the server runs as; its path is short, for it has a socket."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        _hand_over(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hand_over(*paths: Path) -> None:
    """To the user that the server runs as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(WITHOUT_RIGHTS)
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def _prefix() -> list[str]:
    """Words before a program of the server: it is no root, and ends with this process."""
    as_user = []
    if os.geteuid() == 0:
        user = pwd.getpwnam(WITHOUT_RIGHTS)
        as_user = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *as_user, "--pdeathsig=INT"]


def _initialise(found: Path, folder: Path, auth: str, locale: str) -> None:
    command = [str(found / "initdb"), "-D", str(folder / "data"), "-U", SUPERUSER, f"--auth={auth}"]
    command += ["--no-sync", "--encoding=UTF8", f"--locale={locale}"]
    subprocess.run([*_prefix(), *command], check=True, capture_output=True, cwd=folder, timeout=2 * READY_SECONDS)


def _start(found: Path, folder: Path, values: dict[str, str]) -> "subprocess.Popen[bytes]":
    words = [word for name, value in ({"fsync": "off"} | values).items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        command = [*_prefix(), str(found / "postgres"), "-D", str(folder / "data"), *words]
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """At once, as a power cut would."""
    process.send_signal(signal.SIGQUIT)
    process.wait(READY_SECONDS)


def _wait_until_ready(process: "subprocess.Popen[bytes]", folder: Path, ask: Callable[[], object]) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            ask()
            return
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start:\n{(folder / 'log').read_text('utf-8', 'replace')}")


@dataclass
class Base:
    """A database of its own on the server; USER owns it."""

    server: "Server"
    name: str

    @property
    def dsn(self) -> str:
        """Through the socket, as USER."""
        return f"host={self.server.sockets} port={self.server.port} user={USER} dbname={self.name}"

    def tls(self, password: str = PASSWORD, **changes: str) -> str:
        """Through TCP, as a server elsewhere is reached."""
        quoted = password.replace("\\", "\\\\").replace("'", "\\'")
        words = {"host": NAME_OF_SERVER, "hostaddr": self.server.address, "port": str(self.server.port), "user": USER}
        words |= {"dbname": self.name, "password": f"'{quoted}'"}
        return " ".join(f"{key}={value}" for key, value in (words | changes).items() if value)

    def run(self, *statements: Any, user: str = "postgres") -> list[tuple[Any, ...]]:
        """What the last statement gives."""
        with psycopg.connect(self.dsn.replace(f"user={USER}", f"user={user}"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


class Server:
    """A server that a test stops and starts; TLS and passwords through TCP, neither through its socket."""

    def __init__(self, found: Path, folder: Path, port: int, address: str) -> None:
        self.folder, self.sockets, self.port, self.address = folder, folder / "run", port, address
        self._found = found

    def start(self) -> None:
        values = {
            "unix_socket_directories": str(self.sockets), "listen_addresses": self.address, "port": str(self.port),
            "ssl": "on", "ssl_cert_file": str(self.folder / "server.crt"),
            "ssl_key_file": str(self.folder / "server.key"),
            "shared_buffers": "16MB", "max_connections": "30", "log_min_messages": "fatal",
        }  # fmt: skip
        self.process = _start(self._found, self.folder, values)
        _wait_until_ready(self.process, self.folder, lambda: self.base(SUPERUSER).run("SELECT 1"))

    def stop(self) -> None:
        """At once, as a power cut would."""
        _stop(self.process)

    def base(self, name: str) -> Base:
        return Base(self, name)

    def create(self) -> Base:
        """A new database."""
        name = f"base{next(_NUMBERS)}"
        self.base(SUPERUSER).run(f"CREATE DATABASE {name} OWNER {USER}")
        self.base(name).run(f"GRANT ALL ON SCHEMA public TO {USER}")
        return self.base(name)


@contextmanager
def stoppable_server(address: str = "127.0.0.1") -> Iterator[Server]:
    """A new one with the role USER, gone afterwards. Skips the test where there is none."""
    found = programs()
    if found is None:
        pytest.skip(ABSENT)
    with _folder() as folder, socket.socket() as free:
        free.bind((address, 0))
        server = Server(found, folder, free.getsockname()[1], address)
        free.close()
        server.sockets.mkdir()
        make_certificates(folder)
        _hand_over(server.sockets, *folder.glob("*.*"))
        folder.chmod(0o755)
        _initialise(found, folder, "trust", "C")
        who = "local all all trust\nhostssl all all 0.0.0.0/0 scram-sha-256\n"
        (folder / "data/pg_hba.conf").write_text(who, "ascii")
        server.start()
        try:
            quoted = PASSWORD.replace("'", "''")
            server.base(SUPERUSER).run(f"CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'")
            yield server
        finally:
            _stop(server.process)


def make_certificates(folder: Path) -> None:
    """An authority (ca.crt), a server's certificate (server.crt, server.key), and another authority (other.crt)."""
    authority = ec.generate_private_key(ec.SECP256R1())
    _write(folder / "ca.crt", _certificate("the authority", authority, "the authority", authority, is_ca=True))
    other = ec.generate_private_key(ec.SECP256R1())
    _write(folder / "other.crt", _certificate("another", other, "another", other, is_ca=True))
    own = ec.generate_private_key(ec.SECP256R1())
    _write(folder / "server.crt", _certificate(NAME_OF_SERVER, own, "the authority", authority, is_ca=False))
    plain = serialization.NoEncryption()
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.key").write_bytes(key)
    (folder / "server.key").chmod(0o600)


def _certificate(name: str, key: Any, by: str, signer: Any, *, is_ca: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        *(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (by, name)),
        key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=30),
    )  # fmt: skip
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), False)
    return builder.add_extension(x509.BasicConstraints(is_ca, None), True).sign(signer, hashes.SHA256())


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
