"""Settings of deliveries: tables taken to places of others, each in its layout."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.errors import ConfigError
from harvester.base.validation import Model
from harvester.config.alerting import AwsRegion
from harvester.config.cloudwatch import EndpointUrl
from harvester.config.row_tables import CANDLES, PLAIN_TABLES, RowTable

S3_PLACE = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9_-]+/){0,5}"
SECRET_PLACE = r"(ssm|file):(/[A-Za-z0-9_.-]+){1,15}"  # noqa: S105  # where a secret lies, and none itself
PRICE_FEED, POSTGRES = "price-feed", "postgres"


class DeliverySettings(Model, frozen=True):
    """A delivery, such as {name: price-feed, kind: price-feed, place: "s3://BUCKET/"}."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")]
    """What commands and receipts call it."""
    kind: Literal["price-feed", "postgres"]
    """Layout: price-feed has the broker's candles as raw JSON and as csv.gz, postgres has rows in tables."""
    place: Annotated[str, Meta(pattern=rf"^({S3_PLACE}|{SECRET_PLACE})\Z", max_length=200)]
    """Of a price feed bucket and what its keys begin with, ending in a slash; of postgres where its DSN is kept:
    ssm:/NAME, or file:/PATH on the host."""
    region: AwsRegion | None = None
    """AWS region of the bucket, or of the parameter; default: the region of the environment."""
    endpoint_url: EndpointUrl | None = None
    """Another S3 service than Amazon's; default: $AWS_ENDPOINT_URL, else Amazon."""
    at: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")] = "16:00"
    """Market time from which on a day is delivered, once its bars have settled."""
    tell_each: bool = False
    """Of a price feed, whether people are told of each round of answers and each day that is there, at most one
    message in 5 minutes; of what fails they are told in any case."""
    tables: Annotated[tuple[RowTable, ...], Meta(max_length=20)] = ()
    """Of postgres, the tables; default: equity_data and indicators."""
    live: bool = False
    """Of postgres, whether each bar is delivered as soon as it is over."""
    ca_file: Path | None = None
    """Of postgres, the certificates that the server's is signed by; default: what the DSN says, else the host's own."""

    def __post_init__(self) -> None:
        if self.place.startswith("s3:") != (self.kind == PRICE_FEED):
            wanted = "s3://BUCKET/" if self.kind == PRICE_FEED else "ssm:/NAME or file:/PATH"
            raise ValueError(f"place: a delivery of kind {self.kind} has {wanted}")
        if self.kind == PRICE_FEED and (self.tables or self.live or self.ca_file):
            raise ValueError("tables, live and ca_file are for deliveries of kind postgres")
        if self.tell_each and self.kind != PRICE_FEED:
            raise ValueError("tell_each is for deliveries of kind price-feed")
        if self.live and not all(table.is_live for table in self.row_tables):
            raise ValueError("live: bars alone are delivered so, in tables of equity_data and indicators")

    @property
    def bucket(self) -> str:
        return self.place.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        return self.place.removeprefix("s3://").partition("/")[2]

    @property
    def row_tables(self) -> tuple[RowTable, ...]:
        """The tables of postgres; none of a price feed."""
        return () if self.kind == PRICE_FEED else self.tables or PLAIN_TABLES

    @property
    def lake_tables(self) -> frozenset[str]:
        """The lake's tables that it takes."""
        return frozenset(table.lake_table for table in self.row_tables) or frozenset({CANDLES})


def refuse_shared_places(deliveries: tuple[DeliverySettings, ...]) -> None:
    """Raise ValueError where two have one name, or bring to one place; of a database: to one table."""
    names, places = [each.name for each in deliveries], [place for each in deliveries for place in _places(each)]
    for what, values in (("name", names), ("place", places)):
        if twice := sorted(value for value, count in Counter(values).items() if count > 1):
            raise ValueError(f"deliveries: two have the {what} {twice[0]}; give each its own")
    if sum(each.live for each in deliveries) > 1:
        raise ValueError("deliveries: two are live; a host keeps the tables of one database live")


def _places(delivery: DeliverySettings) -> Iterator[str]:
    if delivery.kind == PRICE_FEED:
        yield delivery.place
    else:
        yield from (f"{delivery.place} {table.full_name}" for table in delivery.row_tables)


def choose(deliveries: Iterable[DeliverySettings], kind: str, name: str | None) -> tuple[DeliverySettings, ...]:
    """Those of a kind, of this name if one is said. Raises ConfigError where no delivery has the name."""
    known = tuple(deliveries)
    if name and name not in (each.name for each in known):
        names = ", ".join(each.name for each in known) or "nothing"
        raise ConfigError(f"--name {name}: there is no such delivery. harvester_settings.deliveries has {names}.")
    return tuple(each for each in known if each.kind == kind and name in (None, each.name))
