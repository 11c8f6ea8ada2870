"""A database as a place of deliveries: opened by the stored DSN, its tables looked at, rows brought and read back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg import Connection

from harvester.base.redaction import Secret
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.postgres.columns import Row, TableLayout
from harvester.postgres.dsn import LOCK_MS, STATEMENT_MS, Address, read_dsn
from harvester.postgres.merge import Merged, claim, merge, read_back
from harvester.postgres.schema import prepare
from harvester.postgres.trouble import explained


class Database:
    """The database of one delivery. Opened when it is first needed; after an error the next use opens it anew."""

    def __init__(self, address: Address, owner: str, tables: tuple[TableLayout, ...], *, is_read: bool = False) -> None:
        """`owner` is the delivery, as the list of deliveries in the database calls it. `is_read`: nothing is made."""
        self._is_read = is_read
        self.address, self.owner, self.tables = address, owner, tables
        self._connection: Connection[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def home(self) -> str:
        return self.address.home

    def merge(self, rows: Mapping[str, Iterable[Row]]) -> dict[str, Merged]:
        """Bring rows into tables, by the table's full name, in one transaction. Raises DatabaseError."""
        with self._working() as connection, connection.transaction():
            _limit(connection)
            for table in self.tables:
                claim(connection, table, self.owner)
            return {table.full_name: merge(connection, table, rows.get(table.full_name, [])) for table in self.tables}

    def read_back(self, table: TableLayout, rows: Sequence[Row]) -> list[Row]:
        """What the table has under the keys of these rows. Raises DatabaseError."""
        with self._working() as connection:
            return read_back(connection, table, rows)

    def open(self) -> None:
        """Connect, and see that the tables are as they must be. Raises DatabaseError."""
        with self._working():
            pass

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    @contextmanager
    def _working(self) -> Iterator[Connection[Any]]:
        try:
            with explained(self.home):
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
        except BaseException:
            self.close()
            raise

    def _open(self) -> Connection[Any]:
        # No prepared statements: a pooler may hand the next transaction to another connection of its own.
        connection = psycopg.connect(**self.address, autocommit=True, prepare_threshold=None)
        try:
            with connection.transaction():
                _limit(connection)
                if not self._is_read:
                    prepare(connection, self.tables)
        except BaseException:
            connection.close()
            raise
        return connection


def _limit(connection: Connection[Any]) -> None:
    """Nothing of this transaction waits for ever. By transaction: of a session a pooler may know nothing."""
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
        (str(LOCK_MS), str(STATEMENT_MS)),
    )


def owner_of(settings: Settings, delivery: DeliverySettings) -> str:
    """What the list of deliveries in a database calls a delivery."""
    return f"{settings.host_id}/{delivery.name}"


def address_of(delivery: DeliverySettings, secret: Secret) -> Address:
    """Raises ConfigError."""
    return read_dsn(secret, delivery.place, delivery.ca_file)
