"""A server's database with the users' schema, the backups that a host makes of it, a bucket, and a laptop."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
from tests.postgresql_server import PostgresServer

from harvester.config.database import DatabaseSettings, parse_database
from harvester.database.copies import remove_old, rows_from
from harvester.database.delivery import BackupDelivery
from harvester.database.full import back_up_all, back_up_day
from harvester.database.loading import load_rows
from harvester.database.manifests import Backup, find
from harvester.database.merge import Merged, Rules, merge
from harvester.database.server import Server
from harvester.deliver.protocol import DayOutcome
from harvester.deliver.run import deliver
from harvester.lake.layout import Partition
from harvester.upload.bucket import open_client
from harvester.upload.retries import Retries
from runbook.database.place import BackupPlace, BackupStore
from runbook.database.pull import Pulled, Restored, Target, pull, restore_to
from runbook.pull.bucket import BucketLake

MONDAY = date(2026, 11, 23)
# The users' own tables (Schema.sql), with fewer columns; a key of each kind, and a table that has none.
SCHEMA = """
CREATE SCHEMA my_schema;
CREATE TABLE my_schema.ticks (
    id serial PRIMARY KEY, instrument_token bigint NOT NULL, last_price numeric(15,2), volume bigint, depth json,
    run_date date, "timestamp" timestamptz);
CREATE TABLE my_schema.ticks_depth (
    tick_id integer NOT NULL REFERENCES my_schema.ticks (id), level smallint, price double precision, run_date date,
    PRIMARY KEY (tick_id, level));
CREATE TABLE my_schema.holdings (
    id serial PRIMARY KEY, instrument_token bigint NOT NULL, run_date date NOT NULL, quantity integer,
    UNIQUE (instrument_token, run_date));
CREATE TABLE my_schema.positions (
    run_date date, position_type varchar(10), instrument_token integer, pnl double precision,
    CONSTRAINT positions_unique_key UNIQUE (position_type, instrument_token));
CREATE TABLE my_schema.market_structure (
    session_date date, instrument_token bigint, kind text, PRIMARY KEY (session_date, instrument_token));
CREATE TABLE my_schema.rt_intraday_price (
    scrip_id varchar NOT NULL, price_close double precision, price_date varchar NOT NULL,
    PRIMARY KEY (scrip_id, price_date));
CREATE TABLE my_schema.raw_ticks (
    "timestamp" timestamptz, instrument_token integer, ltp double precision, run_date date);
"""
TABLES: list[dict[str, Any]] = [
    {"name": "my_schema.ticks_depth"},  # refers to ticks, and stands before it
    {"name": "my_schema.ticks"},
    {"name": "my_schema.holdings", "key": ["instrument_token", "run_date"]},
    {"name": "my_schema.positions"},
    {"name": "my_schema.market_structure", "rows": "session_date >= CURRENT_DATE - 1"},
    {"name": "my_schema.rt_intraday_price", "rows": "price_date >= to_char(current_date - 1, 'YYYY-MM-DD')"},
    {"name": "my_schema.raw_ticks", "merge": "replace_dates", "date": "run_date"},
]
ALL_REFUSED = Rules()
TRADES = (
    """INSERT INTO my_schema.ticks (instrument_token, last_price, volume, depth, run_date, timestamp)
    SELECT i %% 5, 100 + i %% 7, i, '{"b": [1, 2]}', %(day)s, %(day)s::date + interval '10 hours'
    FROM generate_series(1, %(count)s) i""",
    """INSERT INTO my_schema.ticks_depth SELECT id, l, 100.1 + l, run_date
    FROM my_schema.ticks, generate_series(1, 2) l WHERE run_date = %(day)s AND id %% 3 = 0 ON CONFLICT DO NOTHING""",
    """INSERT INTO my_schema.holdings (instrument_token, run_date, quantity) SELECT i, %(day)s, i
    FROM generate_series(1, 3) i ON CONFLICT DO NOTHING""",
    """INSERT INTO my_schema.positions SELECT %(day)s, 'net', i, %(pnl)s FROM generate_series(1, 4) i
    ON CONFLICT (position_type, instrument_token) DO UPDATE SET (run_date, pnl) = (EXCLUDED.run_date, EXCLUDED.pnl)""",
    """INSERT INTO my_schema.market_structure VALUES (%(day)s, 1, 'up'), (%(day)s, 2, 'down') ON CONFLICT DO NOTHING""",
    """INSERT INTO my_schema.rt_intraday_price VALUES ('SBIN', 800.5, %(day)s::date::text) ON CONFLICT DO NOTHING""",
    """INSERT INTO my_schema.raw_ticks SELECT %(day)s::date + i * interval '1 second', 1, i / 3.0, %(day)s
    FROM generate_series(1, %(count)s) i""",
)
"""What the users' application writes on a day, new rows in each table and changes of older ones."""
NAMES = [table["name"] for table in TABLES]


class NoBar:
    """Nobody looks."""

    def look(self, host: str) -> None: ...
    def begin(self, host: str, files: int, total_bytes: int) -> None: ...
    def file(self, path: str) -> None: ...
    def advance(self, count: int) -> None: ...


@dataclass
class World:
    """A host that backs up `database`, and a laptop with the database `laptop`; both on one server here."""

    postgres: PostgresServer
    root: Path
    endpoint: str
    bucket: str
    database: str
    laptop: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> DatabaseSettings:
        content = {
            "database": self.database,
            "host": self.postgres.socket_folder,
            "place": f"s3://{self.bucket}/database/",
            "region": "ap-south-1",
            "endpoint_url": self.endpoint,
            "data_dir": str(self.root),
            "host_id": "app1",
            "lock_seconds": 1,
            "tables": TABLES,
            **self.changes,
        }
        return parse_database(content, "the test's settings")

    @property
    def server(self) -> Server:
        return Server(self.postgres.socket_folder, 5432, "postgres")

    @property
    def folder(self) -> Path:
        return self.settings.folder

    def run(self, statement: str, values: Any = None, database: str = "") -> list[tuple[Any, ...]]:
        """A statement on the server's database, or on another one; its rows, if any."""
        with self.postgres.connect(database or self.database) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def here(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        """The same on the laptop's."""
        return self.run(statement, values, self.laptop)

    def trade(self, day: date, count: int = 100) -> None:
        """What the users' application writes on a day: new rows in each table, and changes of older ones."""
        for statement in TRADES:
            self.run(statement, {"day": day, "count": count, "pnl": day.toordinal() / 7})

    def back_up(self, day: date) -> Backup:
        """As the job does at 16:00; the rows' backup, also where a full one is made besides."""
        settings = self.settings
        remove_old(settings, day)
        return back_up_day(self.server, settings, day, rows_from(settings, day))[0]

    def back_up_all(self, day: date) -> Backup:
        """As the job does on Sunday."""
        return back_up_all(self.server, self.settings, self.folder, day)

    def deliver(self) -> list[DayOutcome]:
        """As the unit with the bucket's rights does. Tries once: what fails, fails at once."""
        delivery = BackupDelivery(self.settings, Retries(0))
        days = sorted({backup.day for backup in find(self.folder)})
        return [deliver(delivery, Partition(day, "app1")) for day in days]

    def merge(self, backup: Backup, rules: Rules = ALL_REFUSED) -> dict[str, Merged]:
        """Into the laptop's database, from the host's own folder."""
        with self.server.connect(self.laptop, autocommit=True) as connection:
            load_rows(self.server, self.laptop, connection, self.folder, backup)
            return {result.name: result for result in merge(connection, backup, rules)}

    def pull(self, rules: Rules = ALL_REFUSED, *, full: bool = False, database: str = "") -> Pulled:
        """As `./inv pull-database` does, into the laptop's database."""
        target = Target(self.server, database or self.laptop)
        return pull(self.place, target, BackupStore(self.root / "pulled/database"), rules, NoBar(), full=full)

    def restore(self, day: date, database: str) -> Restored:
        """As `./inv restore --to` does."""
        store = BackupStore(self.root / "pulled/database")
        return restore_to(self.place, Target(self.server, database), store, day, NoBar())

    @property
    def place(self) -> BackupPlace:
        """The bucket as the laptop reads it."""
        client = open_client("ap-south-1", self.endpoint)
        return BackupPlace(BucketLake(client, self.bucket, "database/", Retries(0)))

    @property
    def objects(self) -> dict[str, int]:
        """Keys and sizes in the bucket."""
        client = boto3.client("s3", endpoint_url=self.endpoint, region_name="ap-south-1")
        found = client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {row["Key"]: row["Size"] for row in found}

    def rows(self, name: str, database: str = "") -> list[str]:
        """All rows of a table as text, in an order of their own."""
        return sorted(text for (text,) in self.run(f"SELECT t::text FROM {name} t", None, database))  # noqa: S608

    def differences(self, names: list[str] = NAMES) -> list[str]:
        """Tables of which the laptop has other rows than the server."""
        return [name for name in names if self.rows(name) != self.rows(name, self.laptop)]


def days(count: int, first: date = MONDAY) -> list[date]:
    """So many days in a row."""
    return [first + timedelta(days=number) for number in range(count)]
