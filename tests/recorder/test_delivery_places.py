"""Places of deliveries and backups: none is shared, each is of its kind, and a wrong one is told in a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.config import database
from harvester.config.database import DatabaseSettings, find_database
from harvester.config.deliveries import DeliverySettings, choose, refuse_shared_places
from harvester.config.row_tables import RowTable, ticker_of

TABLES = [{"name": "my.ticks"}]
ONE, OTHER = "file:/etc/harvester/one", "ssm:/h/other"


def rows(name: str, place: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "postgres", "place": place, **more}


def files(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "kind": "price-feed", "place": place}


@pytest.mark.parametrize(
    ("deliveries", "says"),
    [
        ([files("a", "s3://bucket/"), files("b", "s3://bucket/x/"), files("c", "s3://other/")], ""),
        ([files("a", "s3://bucket/x/"), files("b", "s3://bucket/x/")], "the place s3://bucket/x/"),
        ([files("a", "s3://bucket/"), files("a", "s3://other/")], "the name a"),
        ([rows("a", ONE), rows("b", OTHER)], ""),
        ([rows("a", ONE), rows("b", ONE)], f"the place {ONE} "),
        ([rows("a", ONE), files("b", "s3://bucket/")], ""),
        ([rows("a", ONE, live=True), rows("b", OTHER, live=True)], "two are live"),
        ([rows("a", ONE, live=True), rows("b", OTHER)], ""),
    ],
)
def test_two_deliveries_share_neither_name_nor_place(deliveries: list[dict[str, Any]], says: str) -> None:
    """The same tables in two databases are two places: a copy of a database is no mistake."""
    known = tuple(validate(DeliverySettings, each) for each in deliveries)
    if not says:
        refuse_shared_places(known)
        return
    with pytest.raises(ValueError, match="deliveries: two") as refused:
        refuse_shared_places(known)
    assert says in str(refused.value)


CANDLES = {"name": "bars", "rows": "candles", "columns": {"s": "symbol", "t": "ts_begin"}, "key": ["s", "t"]}
DEPTH = CANDLES | {"name": "mine.books", "rows": "depth"}


@pytest.mark.parametrize(
    ("delivery", "says"),
    [
        (rows("a", "s3://bucket/"), "place: a delivery of kind postgres has ssm:/NAME or file:/PATH"),
        (files("a", ONE), "place: a delivery of kind price-feed has s3://BUCKET/"),
        (files("a", "s3://bucket/") | {"tables": [CANDLES]}, "tables, live and ca_file are for deliveries of kind"),
        (files("a", "s3://bucket/") | {"live": True}, "tables, live and ca_file are for"),
        (files("a", "s3://bucket/") | {"ca_file": "/ca.pem"}, "tables, live and ca_file are for"),
        (rows("a", ONE, tell_each=True), "tell_each is for deliveries of kind price-feed"),
        (rows("a", ONE, live=True, tables=[CANDLES]), "live: bars alone are delivered so, in tables of equity_data"),
        (rows("a", ONE, tables=[CANDLES | {"key": []}]), "tables: key must name some of the columns"),
        (rows("a", ONE, tables=[CANDLES | {"key": ["s", "x"]}]), "tables: key must name some of the columns"),
        (rows("a", ONE, tables=[CANDLES | {"key": ["s", "s"]}]), "tables: key names a column twice"),
        (rows("a", ONE, tables=[CANDLES | {"rows": "indicators", "columns": {}}]), "tables: indicators has columns"),
        (rows("a", ONE, tables=[CANDLES | {"rows": "equity_data", "key": []}]), "tables: equity_data has columns"),
    ],
)  # fmt: skip
def test_what_a_delivery_cannot_have_is_a_sentence(delivery: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        validate(DeliverySettings, delivery)
    assert says in str(refused.value)


def test_a_delivery_knows_its_bucket_and_the_tables_that_it_takes() -> None:
    feed = validate(DeliverySettings, files("a", "s3://my-bucket/deep/down/") | {"tell_each": True})
    plain = validate(DeliverySettings, rows("b", ONE, live=True))
    own = validate(DeliverySettings, rows("c", ONE, tables=[CANDLES, DEPTH], ca_file="/ca.pem"))

    assert (feed.bucket, feed.prefix) == ("my-bucket", "deep/down/")
    assert [sorted(each.lake_tables) for each in (feed, plain, own)] == [["candles"], ["candles"], ["candles", "depth"]]
    assert feed.row_tables == ()
    assert [table.full_name for table in plain.row_tables] == ["public.equity_data", "public.indicators"]
    assert [table.full_name for table in own.row_tables] == ["public.bars", "mine.books"]
    assert [RowTable("x", kind).is_live for kind in ("equity_data", "indicators")] == [True, True]
    assert [ticker_of(symbol) for symbol in ("NSE:SBIN-EQ", "NSE:NIFTY50-INDEX", "QQQ")] == [
        "SBIN", "NIFTY50-INDEX", "QQQ"
    ]  # fmt: skip


def test_deliveries_are_chosen_by_kind_and_name_and_an_unknown_name_is_told_with_those_there_are() -> None:
    known = [
        validate(DeliverySettings, each) for each in (files("a", "s3://bucket/"), rows("b", ONE), rows("c", OTHER))
    ]

    assert [each.name for each in choose(known, "postgres", None)] == ["b", "c"]
    assert [each.name for each in choose(known, "postgres", "c")] == ["c"]
    assert choose(iter(known), "postgres", "a") == (), "it is of another kind"
    with pytest.raises(ConfigError, match=r"^--name x: there is no such delivery\. .*deliveries has a, b, c\.$"):
        choose(known, "postgres", "x")
    with pytest.raises(ConfigError, match=r"harvester_settings\.deliveries has nothing\.$"):
        choose([], "postgres", "x")


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (None, ("laptop", "", "")),
        ("s3://my-bucket/deep/down/", ("s3://my-bucket/deep/down/", "my-bucket", "deep/down/")),
    ],
)
def test_backups_have_a_home_in_a_bucket_or_on_a_laptop(place: str | None, found: tuple[str, str, str]) -> None:
    given = {"database": "trading", "tables": TABLES, "place": place, "data_dir": "/srv/data"}
    settings = validate(DatabaseSettings, given)

    assert (settings.home, settings.bucket, settings.prefix) == found
    assert [str(settings.folder), str(settings.receipts)] == ["/srv/data/database", "/srv/data/deliveries/database"]


def test_a_table_of_backups_is_named_once() -> None:
    names = ["my.a", "my.b", "my.c", "my.b", "my.a"]
    with pytest.raises(Refused, match=r"tables names twice: my\.a, my\.b$"):
        validate(DatabaseSettings, {"database": "trading", "tables": [{"name": name} for name in names]})


def test_the_backups_settings_are_found_where_they_are_named_and_their_mistakes_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "database.json"
    monkeypatch.setattr(database, "FILE", path)
    monkeypatch.delenv("HARVESTER_DATABASE", raising=False)
    assert find_database() is None
    with pytest.raises(ConfigError, match=f"^{path}: there is no such file.$"):
        find_database(path)
    path.write_text(json.dumps({"database": "trading", "tables": TABLES}))
    assert find_database() == find_database(path) == validate(DatabaseSettings, json.loads(path.read_text()))

    monkeypatch.setenv("HARVESTER_DATABASE", str(tmp_path))
    with pytest.raises(ConfigError, match=f"^{tmp_path}: the settings cannot be read .Is a directory.. ./inv deploy w"):
        find_database()
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"cannot be read \(Expecting property name"):
        find_database(path)
    path.write_text('{"database": "trading"}')
    with pytest.raises(ConfigError, match=f"^{path}: the settings of the backups are refused.\n  tables: required"):
        find_database(path)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"merge": "replace_dates"}, "my.ticks: date names the column of a table with merge: replace_dates, and goes"),
        ({"date": "day"}, "my.ticks: date names the column"),
        ({"merge": "replace_dates", "date": "day", "key": ["a"]}, "my.ticks: key goes with merge: key"),
        ({"merge": "replace_dates", "date": "day"}, ""),
        ({"key": ["a"]}, ""),
    ],
)
def test_a_table_is_merged_by_its_key_or_by_its_dates(table: dict[str, Any], says: str) -> None:
    given = {"database": "trading", "tables": [{"name": "my.ticks"} | table]}
    if not says:
        assert validate(DatabaseSettings, given).tables[0].parts == ("my", "ticks")
        return
    with pytest.raises(Refused) as refused:
        validate(DatabaseSettings, given)
    assert says in str(refused.value)
