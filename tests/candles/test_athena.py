"""Athena's table of a price feed: its projected partitions are the keys of the bucket, as moto's Glue keeps them."""

import csv
import itertools
from types import SimpleNamespace
from typing import Any

import boto3
from tests.candles.conftest import INFY, REGION, SBIN, FeedHost
from tests.candles.test_tables import SETTLED
from tests.storage.lake.candles import bar, said

from harvester.price_feed.athena import define_feed
from harvester.reader.athena import describe
from runbook.aws import athena, glue


def project(properties: dict[str, str]) -> set[str]:
    """The locations of the partitions, as the Athena user guide says that they are made: of the year 2026 alone."""
    values: dict[str, list[str]] = {}
    for name in (key.split(".")[1] for key in properties if key.endswith(".type")):
        kind = properties[f"projection.{name}.type"]
        if kind == "enum":
            values[name] = properties[f"projection.{name}.values"].split(",")
        else:
            assert kind == "integer"
            first, last = map(int, properties[f"projection.{name}.range"].split(","))
            digits = int(properties[f"projection.{name}.digits"])
            values[name] = [f"{each:0{digits}}" for each in range(first, last + 1)]
    assert "2026" in values["year_partition"]
    values["year_partition"] = ["2026"]
    found = set()
    for combination in itertools.product(*values.values()):
        location = properties["storage.location.template"]
        for name, value in zip(values, combination, strict=True):
            location = location.replace(f"${{{name}}}", value)
        found.add(location)
    return found


def deliver(host: FeedHost) -> None:
    recorder = host.recorder()
    for symbol in (SBIN, INFY):
        recorder.answer(SETTLED, symbol, said(bar(0), bar(1)))
    recorder.stop(SETTLED + 1)
    host.deliver()


def here(host: FeedHost, **variables: Any) -> Any:
    return SimpleNamespace(account=SimpleNamespace(client=lambda _: host.client), variables=variables)


def test_every_key_lies_in_a_projected_partition(host: FeedHost) -> None:
    deliver(host)
    glue_client = boto3.client("glue", region_name=REGION)
    (wanted,) = athena.define_feeds(here(host, aws_storage_price_feed=[""]), host.bucket)
    database = host.bucket.replace("-", "_")
    tables = [athena.table_input(wanted)]
    arn = f"arn:aws:glue:{REGION}:123456789012:database/{database}"
    for change in list(glue.plan(glue_client, database, arn, {}, tables)):
        change.apply()
    assert list(glue.plan(glue_client, database, arn, {}, tables)) == [], "once made, nothing is left to do"

    table = glue.read_tables(glue_client, database)["ohlcv_data"]
    partitions = project(table["Parameters"])
    keys = host.keys("analytics/")
    folders = {f"s3://{host.bucket}/{key.rpartition('/')[0]}/" for key in keys}
    assert len(keys) == 2 and folders <= partitions
    columns = [each["Name"] for each in table["StorageDescriptor"]["Columns"]]
    names = [*columns, *(each["Name"] for each in table["PartitionKeys"])]
    assert len(set(names)) == len(names) == 20, "no name is that of a column and of a partition"
    assert columns == next(csv.reader([host.text("SBIN").split("\r\n")[0]]))
    assert table["StorageDescriptor"]["SerdeInfo"]["Parameters"] == {"field.delim": ","}


def test_symbols_are_those_of_the_inventory_and_of_the_bucket(host: FeedHost) -> None:
    deliver(host)
    named = {"aws_host_symbols": ["NSE:TCS-EQ", {"index": "NIFTY 50"}], "aws_storage_price_feed": ["", "two/"]}
    first, second = athena.define_feeds(here(host, **named), host.bucket)
    assert first.properties["projection.symbol_partition.values"] == "INFY,SBIN,TCS"
    assert second.properties["projection.symbol_partition.values"] == "TCS"
    assert (first.name, second.name) == ("ohlcv_data", "ohlcv_data_two")
    assert athena.define_feeds(here(host), host.bucket) == []


def test_its_ddl_says_how_a_line_is_read() -> None:
    said_of = describe(define_feed("b", "", ["SBIN"]), "db")
    assert "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','\nSTORED AS TEXTFILE" in said_of
    assert "`timestamp_unix` bigint" in said_of and "'skip.header.line.count' = '1'" in said_of
