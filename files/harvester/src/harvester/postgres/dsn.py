"""The connection string of a database: what of it is accepted, and what it is completed with."""

from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret, register_text

ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
"""The certificates that the host trusts (Debian and Ubuntu, package ca-certificates)."""
CHECKED = "verify-full"
CONNECT_SECONDS = 10
STATEMENT_MS, LOCK_MS = 120_000, 15_000
LOCAL = ("localhost", "127.0.0.1", "::1")
HOW = (
    "Store one such as postgresql://USER:PASSWORD@HOST:5432/DATABASE, with each odd character of the password"
    " percent-encoded (@ is %40, / is %2F, # is %23, % is %25); or in words, host=HOST user=USER password='PASSWORD'"
    " dbname=DATABASE, with ' and \\ in it after a \\."
)


class Address(dict[str, Any]):
    """Parameters of libpq, with which a connection is opened. Shows no password."""

    @property
    def home(self) -> str:
        """The database in words, for people and receipts."""
        host, port = self.get("host", "localhost"), self.get("port", "5432")
        return f"postgresql://{host}:{port}/{self.get('dbname') or self.get('user', '')}"

    def __repr__(self) -> str:
        return f"<{self.home}>"


def read_dsn(secret: Secret, place: str, ca_file: Path | None = None) -> Address:
    """The address that a stored DSN stands for. Raises ConfigError, which shows nothing of it.

    A server on another machine is asked for a certificate that is signed by whom we trust, and has its name.
    """
    text = secret.get_secret_value()
    try:
        found: dict[str, Any] = dict(conninfo_to_dict(text))
    except (ProgrammingError, UnicodeError):
        raise ConfigError(f"{place}: what is stored there is no DSN that libpq can read. {HOW}") from None
    if password := str(found.get("password") or ""):
        register_text(password)
    register_text(text)
    host = str(found.get("host") or "")
    if "@" in host or "@" in str(found.get("dbname") or "") or not host:
        raise ConfigError(
            f"{place}: the DSN names no host, or an odd character in its password ends it too soon. {HOW}"
        )
    return Address({**found, **_security(host, found, place, ca_file), **_limits()})


def _security(host: str, found: dict[str, Any], place: str, ca_file: Path | None) -> dict[str, Any]:
    mode = found.get("sslmode")
    if host.startswith("/") or (host in LOCAL and mode is None):
        return {}
    if mode not in (None, CHECKED) and host not in LOCAL:
        raise ConfigError(
            f"{place}: the DSN says sslmode={mode}, by which anybody on the way could play the database. Leave sslmode"
            f" out, or write {CHECKED}; the server's certificate is then checked by ca_file of the delivery."
        )
    roots = str(ca_file) if ca_file else found.get("sslrootcert") or str(ROOTS)
    return {"sslmode": mode or CHECKED, "sslrootcert": roots}


def _limits() -> dict[str, Any]:
    """So that nothing waits for ever: for a connection, a statement, a lock, or an answer of a host that is gone."""
    return {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "alpha-harvester",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        "client_encoding": "UTF8",
    }
