"""Athena's tables of a bucket of the market us: prices in its columns, dates of New York, each bar once."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.us.test_market_of_a_lake import us_lake
from tests.us.test_us_lake import HALF_DAY, MONDAY

from harvester.base.market import MARKETS, NSE
from harvester.cli import run
from harvester.lake.schema import CANDLES_TABLE
from harvester.reader.athena import CURRENT, Definition, View, columns_of, define_all, define_files
from runbook.aws import athena

US, FOLDER = MARKETS["us"], "candles_v3"
PRICES = {f"{name}_e4": "bigint" for name in ("open", "high", "low", "close")}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    return us_lake(tmp_path_factory.mktemp("us1"), MONDAY, HALF_DAY)


def test_the_columns_are_those_of_the_files(lake: Path) -> None:
    defined = define_files(FOLDER, "b", "lake/", ["us1"], "2026-11-01", US)
    files = sorted(lake.glob(f"{FOLDER}/date=*/host=*/*.parquet"))

    assert {date.fromisoformat(file.parts[-3].removeprefix("date=")) for file in files} == {MONDAY, HALF_DAY}
    for file in files:
        assert pq.read_schema(file).names == [*defined.columns]
    assert PRICES.items() <= defined.columns.items()
    assert not [name for name in defined.columns if name.endswith("_paise")]


def test_other_tables_are_the_same_in_both_markets() -> None:
    differing = [folder for folder in CURRENT if columns_of(folder, US) != columns_of(folder, NSE)]

    assert differing == [FOLDER]
    assert [*columns_of(FOLDER)] == CANDLES_TABLE.schema.names


def test_view_and_files_of_a_market_have_the_same_columns() -> None:
    defined = [*define_all([FOLDER], "b", "lake/", ["us1"], "2026-11-01", "db", US)]
    [files] = [one for one in defined if isinstance(one, Definition) and not one.is_text]
    [view] = [one for one in defined if isinstance(one, View)]

    assert {*files.columns} == {*view.columns} - {"date", "host"}
    assert 'f."open_e4"' in view.query and "paise" not in view.query


@pytest.mark.parametrize(("market", "column"), [("us", "open_e4"), ("nse", "open_paise"), (None, "open_paise")])
def test_the_command_prints_the_columns_of_the_market(
    market: str | None, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--market", market] if market else []
    assert run(["athena-ddl", "--bucket", "b", "--host", "us1", "--table", FOLDER, *named]) == 0

    assert f"`{column}` bigint" in capsys.readouterr().out


@pytest.mark.parametrize(("variables", "has"), [({"harvester_market": "us"}, True), ({}, False)])
def test_the_operators_command_makes_those_of_the_inventorys_market(
    variables: dict[str, str], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(athena.glue, "plan", lambda *arguments: made.extend(arguments[-1]) or [])
    monkeypatch.setattr(athena, "find_partitions", lambda *_: ({"us1"}, "2026-11-01"))
    monkeypatch.setattr(athena, "has_files", lambda *_: False)
    names = SimpleNamespace(bucket=lambda _: "b", database="db", region="r", tags={})
    account = SimpleNamespace(client=lambda _: None)
    here: Any = SimpleNamespace(names=names, account=account, variables={"aws_host_names": [], **variables})

    athena.plan(here, "1")

    tables = {table["Name"]: json.dumps(table["StorageDescriptor"]["Columns"]) for table in made}
    assert ("open_e4" in tables[FOLDER], "open_e4" in tables[f"{FOLDER}_files"]) == (has, has)
