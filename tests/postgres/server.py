"""A PostgreSQL server that a test stops and starts, with TLS, passwords, and certificates that are made here.

tests/postgresql_server.py has the plain one, through a socket.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.postgresql_server import programs

NAMES = count(1)
SECONDS = 60
USER, PASSWORD = "harvester", "Pa ss%40/#:?&='\\ü"
NAME_OF_SERVER = "db.example.test"
"""What its certificate is for; a DSN reaches it by hostaddr."""


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
        words = {"host": NAME_OF_SERVER, "hostaddr": "127.0.0.1", "port": str(self.server.port), "user": USER}
        words |= {"dbname": self.name, "password": f"'{quoted}'"}
        return " ".join(f"{key}={value}" for key, value in (words | changes).items() if value)

    def run(self, *statements: Any, user: str = "postgres") -> list[tuple[Any, ...]]:
        """What the last statement gives."""
        with psycopg.connect(self.dsn.replace(f"user={USER}", f"user={user}"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@dataclass
class Server:
    """The server."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp")))
    port: int = 0

    def __enter__(self) -> Self:
        self.data, self.sockets = self.folder / "data", self.folder / "run"
        self.sockets.mkdir()
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        make_certificates(self.folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for path in (self.folder, self.sockets, *self.folder.glob("*")):
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        self.folder.chmod(0o755)
        initdb = [self._program("initdb"), "-D", self.data, "-A", "trust", "-U", "postgres"]
        initdb += ["--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", user=self.user.pw_uid,
                       group=self.user.pw_gid, timeout=2 * SECONDS)  # fmt: skip
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n", "ascii"
        )
        self.start()
        quoted = PASSWORD.replace("'", "''")
        self.base("postgres").run(f"CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        settings = {
            "unix_socket_directories": self.sockets, "listen_addresses": "127.0.0.1", "port": self.port, "ssl": "on",
            "ssl_cert_file": self.folder / "server.crt", "ssl_key_file": self.folder / "server.key", "fsync": "off",
            "shared_buffers": "16MB", "max_connections": "30", "log_min_messages": "fatal",
        }  # fmt: skip
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = [self._program("postgres"), "-D", self.data, *words]
            who = {"user": self.user.pw_uid, "group": self.user.pw_gid}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **who)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                self.base("postgres").run("SELECT 1")
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text("utf-8"))

    def stop(self) -> None:
        """At once, as a power cut would."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(SECONDS)

    def base(self, name: str) -> Base:
        return Base(self, name)

    def create(self) -> Base:
        """A new database."""
        name = f"base{next(NAMES)}"
        self.base("postgres").run(f"CREATE DATABASE {name} OWNER {USER}")
        self.base(name).run(f"GRANT ALL ON SCHEMA public TO {USER}")
        return self.base(name)

    def _program(self, name: str) -> Path:
        folder = programs()
        assert folder
        return folder / name
