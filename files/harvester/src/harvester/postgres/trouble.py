"""What a database says when it refuses, in words: what happened, and what a person should do."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from harvester.base.errors import HarvesterError
from harvester.base.redaction import one_line

AGAIN = "Nothing is lost: what is lacking is read again from the journal."


class DatabaseError(HarvesterError):
    """The database did not take something; asking again later may help."""


class LoginError(DatabaseError):
    """It does not let us in: the stored DSN may have been replaced."""


CONNECTING = (
    ("password authentication failed", "login", "Store the password that is valid now, or create the user."),
    ("no password supplied", "login", "Store a DSN with a password."),
    ("no pg_hba.conf entry", "login", "Allow this host in the server's pg_hba.conf, or in its network settings."),
    ("Tenant or user not found", "login", "The pooler does not know the user: it is postgres.PROJECT at Supabase."),
    ("certificate verify failed", "", "Name the certificates that the server's is signed by as ca_file of the delivery"
     " (Supabase: dashboard, database settings, SSL configuration)."),
    ("does not match host name", "", "The server's certificate has another name: write the name in it as host."),
    ("root certificate file", "", "The file named as ca_file, or sslrootcert, must be on the host, and readable."),
    ("server does not support SSL", "", "Switch on TLS at the server; without it nothing is sent to another machine."),
    ("translate host name", "", "Correct the host in the DSN, or the host's name resolution."),
    ("resolve host", "", "Correct the host in the DSN, or the host's name resolution."),
    ("Connection refused", "", "Start the server, or correct host and port in the DSN; a port beside 5432 and 6543 must"
     " be in harvester_rows_ports."),
    ("timeout expired", "", "Start the server, or let this host reach it: a firewall on the way drops what is sent; a"
     " port beside 5432 and 6543 must be in harvester_rows_ports."),
    ("No such file or directory", "", "Start the server; its socket is not in the folder that the DSN names."),
    ("too many clients", "", "Raise max_connections of the server, or end other connections."),
    ("remaining connection slots", "", "Raise max_connections of the server, or end other connections."),
    ("starting up", "", "It comes back by itself."),
    ("shutting down", "", "Start the server again."),
    ("does not exist", "login", "Correct user and database in the DSN, or create them."),
)  # fmt: skip
"""What libpq says of a connection that did not come, which has no code; what kind it is; what to do."""
STATES = {
    "53100": "The disk of the server is full: make room there.",
    "53200": "The server has no memory left.",
    "25006": "The database is read-only: a standby, or one that its provider has locked, as Supabase does where the"
    " disk is over its limit. Make it writable, or name the primary in the DSN.",
    "57014": "The server gave up the statement after its time: another program holds the table, or it is overloaded.",
    "55P03": "Another program holds a lock on the table: end its transaction.",
    "22003": "A value has more digits than the column of the table holds: widen the column.",
    "22001": "A value is longer than the column of the table holds: widen the column.",
    "23502": "A column demands a value that this delivery has none for: give it a default.",
    "23514": "A check constraint of the table refuses the row: correct the constraint.",
    "23505": "Another unique key of the table refuses the row: remove the key, or the other row.",
    "23503": "A foreign key of the table refuses the row: add the row that it refers to, or remove the key.",
    "42P01": "Name the table that is meant as tables in harvester_settings; a delivery makes one that is missing.",
    "3D000": "Correct the database in the DSN, or create it.",
    "3F000": "Create the schema, or correct tables in harvester_settings.",
}
"""By SQLSTATE (PostgreSQL documentation, appendix A)."""
RIGHTS = (
    "Grant the user of the DSN what it needs: usage and create on the schema, select, insert and update on the tables"
    " and usage on their sequences, temporary on the database; row-level security must let it through (bypassrls, or a"
    " policy for it)."
)


@contextmanager
def explained(home: str) -> Iterator[None]:
    """Turn whatever the driver raises into an error that says what to do."""
    try:
        yield
    except psycopg.Error as error:
        raise explain(error, home) from None


def explain(error: psycopg.Error, home: str) -> DatabaseError:
    """The error in words."""
    said = one_line(error, 300)
    state = error.sqlstate or ""
    if state == "42501":
        return DatabaseError(f"{home}: {said}. {RIGHTS} {AGAIN}")
    if state:
        advice = STATES.get(state) or STATES.get(f"{state[:2]}000", "See the server's log for what it says besides.")
        return DatabaseError(f"{home}: {said} ({state}). {advice} {AGAIN}")
    for words, kind, advice in CONNECTING:
        if words in said:
            return (LoginError if kind == "login" else DatabaseError)(f"{home}: {said}. {advice} {AGAIN}")
    return DatabaseError(f"{home}: {said}. The server ended the connection, or cannot be reached. {AGAIN}")
