"""Settings of the backups of a PostgreSQL database: `database.json` on a host, `database_backup` in the inventory."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.errors import ConfigError
from harvester.base.validation import Model, Refused, validate
from harvester.config.alerting import AwsRegion
from harvester.config.cloudwatch import EndpointUrl
from harvester.config.deliveries import S3_PLACE
from harvester.config.settings import DATA_DIR

FILE = Path("/etc/harvester/database.json")
VARIABLE = "HARVESTER_DATABASE"
FOLDER = "database"
"""Below the data directory: the backups that are kept here for some days."""
RECEIPTS = "deliveries/database"
"""Below the data directory: what the bucket was seen to hold, or a laptop has pulled."""
LAPTOP = "laptop"
"""The home of receipts where there is no bucket."""
IDENTIFIER = r"[^\x00-\x1f.\"]{1,63}"
Identifier = Annotated[str, Meta(pattern=rf"^{IDENTIFIER}\Z")]
Qualified = Annotated[str, Meta(pattern=rf"^{IDENTIFIER}\.{IDENTIFIER}\Z")]
Predicate = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^;\x00-\x1f]*\Z")]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]


class TableSettings(Model, frozen=True, kw_only=True):
    """A table of the daily backups, such as {name: my_schema.ticks, rows: "run_date >= CURRENT_DATE - 1"}."""

    name: Qualified
    """Schema and table, as PostgreSQL has them."""
    rows: Predicate = "run_date >= CURRENT_DATE - 1"
    """Which rows, in SQL; CURRENT_DATE is the day after the last backup that is kept, at most the day itself."""
    merge: Literal["key", "replace_dates"] = "key"
    """By its key; or, for a table without one, each date as a whole."""
    key: tuple[Identifier, ...] = ()
    """The columns of its key; default: the primary key, else the only unique constraint."""
    date: Identifier | None = None
    """The column with the date, of a table that is merged by dates."""

    def __post_init__(self) -> None:
        if (self.merge == "replace_dates") != (self.date is not None):
            raise ValueError(
                f"{self.name}: date names the column of a table with merge: replace_dates, and goes with it"
            )
        if self.merge == "replace_dates" and self.key:
            raise ValueError(f"{self.name}: key goes with merge: key")

    @property
    def parts(self) -> tuple[str, str]:
        """Schema and table."""
        schema, _, table = self.name.partition(".")
        return schema, table


class DatabaseSettings(Model, frozen=True, kw_only=True):
    """Which database is backed up, when, which rows of it each day, and to which place."""

    database: Annotated[str, Meta(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f]*\Z")]
    """Its name. PostgreSQL's names end at 63 bytes, and those of copies are longer than this one."""
    host: str = "127.0.0.1"
    """Address of the server, or the folder of its socket."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 5432
    """Port of the server."""
    user: Annotated[str, Meta(min_length=1, max_length=63)] = "postgres"
    """Who logs in there; may create databases and schemas."""
    password_file: Path | None = None
    """File with the password and nothing else; default: the unit's credential, else what libpq finds."""
    timezone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+/-]{1,64}\Z")] | None = None
    """The sessions' time zone; default: the market's."""
    place: Annotated[str, Meta(pattern=S3_PLACE, max_length=200)] | None = None
    """Bucket, and what the keys begin with, ending in a slash: a place of its own, which expires what is old.

    Without one the backups lie on the host until a laptop has pulled them.
    """
    region: AwsRegion | None = None
    """AWS region of the bucket; default: the region of the environment."""
    endpoint_url: EndpointUrl | None = None
    """Another S3 service than Amazon's; default: $AWS_ENDPOINT_URL, else Amazon."""
    export_at: Clock = "16:00"
    """When the daily backup is due, on the market's clock."""
    days: Literal["trading", "every"] = "trading"
    """On which days; what is written between two of them is in the later one."""
    full_at: Annotated[str, Meta(pattern=r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]\Z")] = (
        "Sun 16:30"
    )
    """When the weekly full backup is due."""
    restore_test_at: Annotated[str, Meta(pattern=r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]\Z")] = (
        "Sun 17:30"
    )
    """When the weekly restore test is due."""
    keep_local_days: Annotated[int, Meta(ge=1, le=365)] = 3
    """Days that a backup stays on the host at least, and always until a receipt says that it is elsewhere as well."""
    lock_seconds: Annotated[int, Meta(ge=1, le=3600)] = 60
    """Seconds that a backup waits for a table that somebody holds."""
    data_dir: Path = DATA_DIR
    """Directory below which backups and receipts are kept."""
    host_id: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")] = "host"
    """Name of this host in the receipts."""
    tables: Annotated[tuple[TableSettings, ...], Meta(min_length=1)]
    """The tables of the daily backups; the full backup has all."""

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(table.name for table in self.tables).items() if count > 1]
        if twice:
            raise ValueError(f"tables names twice: {', '.join(twice)}")

    @property
    def folder(self) -> Path:
        """Where the backups lie on the host."""
        return self.data_dir / FOLDER

    @property
    def receipts(self) -> Path:
        """Where the receipts of the bucket, or of laptops, lie on the host."""
        return self.data_dir / RECEIPTS

    @property
    def home(self) -> str:
        """What the receipts name as the other place that holds the backups."""
        return self.place or LAPTOP

    @property
    def bucket(self) -> str:
        """Empty where there is none."""
        return (self.place or "").removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        return (self.place or "").removeprefix("s3://").partition("/")[2]


def parse_database(data: object, where: object) -> DatabaseSettings:
    """The settings as `where` states them. Raises ConfigError naming each key that is wrong."""
    try:
        return validate(DatabaseSettings, data)
    except Refused as refused:
        raise ConfigError(f"{where}: the settings of the backups are refused.\n{refused}") from None


def find_database(path: Path | None = None) -> DatabaseSettings | None:
    """The settings of this host; None where it backs up no database. Raises ConfigError."""
    source = path or Path(os.environ.get(VARIABLE) or FILE)
    try:
        return parse_database(json.loads(source.read_bytes()), source)
    except FileNotFoundError:
        if path is not None:
            raise ConfigError(f"{source}: there is no such file.") from None
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{source}: the settings cannot be read ({why}). ./inv deploy writes them.") from error
