"""athena-tables: the Glue Data Catalog holds what the lake is; made once, repaired after, removed with the rest."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit
from tests.aws.account import NAMES, ROOT, Cloud, as_account

from harvester.base.errors import ConfigError, HarvesterError
from harvester.reader.athena import CURRENT, PARTITIONS, SCHEMAS, View, define_all
from lab.aws.server import ACCOUNT, REGION
from runbook.aws import athena, destroy, environment
from runbook.aws.environment import Environment
from runbook.aws.glue import Change, read_tables
from runbook.aws.teardown import plan
from runbook.doctor.aws import check_tables
from runbook.tasks import aws as tasks

BUCKET, DATABASE = NAMES.bucket(ACCOUNT), "alpha_harvester_test"
ARN = f"arn:aws:glue:{REGION}:{ACCOUNT}:database/{DATABASE}"
FORMER = "gone-1"
FILES = [f"{kind}_files" for kind in CURRENT]
TABLES = ["manifest_lines", *FILES]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account that nothing was built in; the tests use it one after the other."""
    made = Cloud(tmp_path_factory.mktemp("athena"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def loaded(cloud: Cloud) -> Environment:
    return environment.load(ROOT, str(cloud.inventory))


@pytest.fixture
def here(cloud: Cloud, loaded: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    as_account(cloud, monkeypatch)
    with environment.reaching(loaded):
        yield loaded


def apply(changes: list[Change]) -> None:
    for change in changes:
        change.apply()


def properties(cloud: Cloud, kind: str = "depth_v3_files") -> dict[str, str]:
    found: dict[str, str] = read_tables(cloud.client("glue"), DATABASE)[kind]["Parameters"]
    return found


def test_without_a_bucket_there_is_nothing_to_ask(here: Environment) -> None:
    with pytest.raises(ConfigError, match=rf"no bucket {BUCKET}.*Run site\.yml first"):
        athena.plan(here, ACCOUNT)


def test_the_tables_are_those_of_the_lake_and_made_once(cloud: Cloud, here: Environment) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for day in ("2025-12-30", "2026-11-20"):
        s3.put_object(Bucket=BUCKET, Key=f"lake/manifest/date={day}/host={FORMER}/manifest-1.json", Body=b"{}")
    s3.put_object(Bucket=BUCKET, Key="lake/manifest/foreign.json", Body=b"{}")

    planned = athena.plan(here, ACCOUNT)
    assert cloud.client("glue").get_databases()["DatabaseList"] == []
    assert [one.what for one in planned] == [
        f"database {DATABASE}",
        *(f"table {DATABASE}.{name}" for name in (*TABLES, *CURRENT)),
    ]
    apply(planned)

    assert athena.plan(here, ACCOUNT) == []
    assert cloud.client("glue").get_tags(ResourceArn=ARN)["Tags"] == NAMES.tags
    made = read_tables(cloud.client("glue"), DATABASE)
    hosts = sorted([FORMER, NAMES.host(1)])
    for wanted in define_all([*CURRENT], BUCKET, "lake/", hosts, "2025-12-30", DATABASE):
        table = made.pop(wanted.name)
        storage = table["StorageDescriptor"]
        assert {one["Name"]: one["Type"] for one in storage["Columns"]} == wanted.columns
        if isinstance(wanted, View):
            assert (table["TableType"], table["PartitionKeys"]) == ("VIRTUAL_VIEW", [])
            assert view_of(table) == (wanted.query, {*wanted.columns})
            continue
        assert {one["Name"]: one["Type"] for one in table["PartitionKeys"]} == wanted.partitions
        assert {*PARTITIONS} <= {*wanted.partitions}
        assert storage["Location"] == wanted.location
        assert wanted.properties.items() <= table["Parameters"].items()
    assert made == {}


def view_of(table: dict[str, Any]) -> tuple[str, set[str]]:
    """Query and columns of a view, as Athena's engine decodes them."""
    encoded = table["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    content = json.loads(base64.b64decode(encoded))
    assert (content["catalog"], content["schema"]) == ("awsdatacatalog", DATABASE)
    kinds = {one["type"] for one in content["columns"]}
    assert kinds <= {"bigint", "integer", "boolean", "varchar", "array(bigint)", "timestamp(3)", "date"}
    return content["originalSql"], {one["name"] for one in content["columns"]}


def test_a_table_of_an_older_release_becomes_the_view(cloud: Cloud, here: Environment) -> None:
    glue = cloud.client("glue")
    files = read_tables(glue, DATABASE)["depth_v3_files"]
    old = {key: files[key] for key in ("TableType", "Parameters", "PartitionKeys", "StorageDescriptor")}
    glue.update_table(DatabaseName=DATABASE, TableInput={"Name": "depth_v3", **old})

    [change] = athena.plan(here, ACCOUNT)
    assert change.what == f"table {DATABASE}.depth_v3"
    assert "type: EXTERNAL_TABLE -> VIRTUAL_VIEW" in change.differences
    change.apply()

    assert athena.plan(here, ACCOUNT) == []


def test_a_new_host_is_shown_and_repaired_and_a_persons_own_things_stay(cloud: Cloud, here: Environment) -> None:
    glue = cloud.client("glue")
    depth = read_tables(glue, DATABASE)["depth_v3_files"]
    again = {key: depth[key] for key in ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")}
    glue.update_table(
        DatabaseName=DATABASE,
        TableInput={**again, "Parameters": {**again["Parameters"], "has_encrypted_data": "false"}},
    )
    glue.create_table(DatabaseName=DATABASE, TableInput={"Name": "mine"})
    grown = replace(here, variables={**here.variables, "aws_host_names": [NAMES.host(1), NAMES.host(2)]})

    planned = athena.plan(grown, ACCOUNT)
    assert [one.what for one in planned] == [f"table {DATABASE}.{name}" for name in TABLES]
    assert [one.level for one in check_tables(grown, ACCOUNT)] == ["warn"]
    before, after = f"{NAMES.host(1)},{FORMER}", f"{NAMES.host(1)},{NAMES.host(2)},{FORMER}"
    assert {one.differences for one in planned} == {(f"projection.host.values: {before} -> {after}",)}
    apply(planned)

    assert athena.plan(grown, ACCOUNT) == []
    assert [one.level for one in check_tables(grown, ACCOUNT)] == ["ok"]
    assert properties(cloud)["projection.host.values"] == after
    assert properties(cloud)["has_encrypted_data"] == "false"
    assert "mine" in read_tables(glue, DATABASE)


def foreign_columns(table: dict[str, Any]) -> dict[str, Any]:
    columns = [*table["StorageDescriptor"]["Columns"][1:], {"Name": "x", "Type": "int"}]
    return {**table, "StorageDescriptor": {**table["StorageDescriptor"], "Columns": columns}}


def elsewhere(table: dict[str, Any]) -> dict[str, Any]:
    return {**table, "StorageDescriptor": {**table["StorageDescriptor"], "Location": "s3://another/"}}


def stale_projection(table: dict[str, Any]) -> dict[str, Any]:
    return {**table, "Parameters": {**table["Parameters"], "projection.enabled": "false", "projection.x.type": "date"}}


@pytest.mark.parametrize(
    ("hand", "said"),
    [
        (foreign_columns, ("column ts_recv: none -> timestamp", "column x: int -> none")),
        (elsewhere, (f"location: s3://another/ -> s3://{BUCKET}/lake/",)),
        (stale_projection, ("projection.enabled: false -> true", "projection.x.type: date -> none")),
    ],
)
def test_what_hands_changed_is_named_and_repaired(
    cloud: Cloud, here: Environment, hand: Any, said: tuple[str, ...]
) -> None:
    apply(athena.plan(here, ACCOUNT))
    glue = cloud.client("glue")
    right = read_tables(glue, DATABASE)["depth_v3_files"]
    kept = {key: right[key] for key in ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")}
    glue.update_table(DatabaseName=DATABASE, TableInput=hand(kept))

    [change] = athena.plan(here, ACCOUNT)
    assert (change.what, change.differences) == (f"table {DATABASE}.depth_v3_files", said)
    change.apply()

    assert athena.plan(here, ACCOUNT) == []


def test_a_table_and_tags_that_are_gone_come_back(cloud: Cloud, here: Environment) -> None:
    glue = cloud.client("glue")
    glue.delete_table(DatabaseName=DATABASE, Name="gaps_v3")
    glue.tag_resource(ResourceArn=ARN, TagsToAdd={"Environment": "another"})

    planned = athena.plan(here, ACCOUNT)
    assert [(one.what, one.differences) for one in planned] == [
        (f"database {DATABASE}", ("tag Environment: another -> test",)),
        (f"table {DATABASE}.gaps_v3", ()),
    ]
    with pytest.raises(HarvesterError, match=r"tag Environment: another -> test.*athena-tables again"):
        athena.make(here, ACCOUNT, planned[1:])
    athena.make(here, ACCOUNT, planned[:1])

    assert athena.plan(here, ACCOUNT) == []


def test_the_task_shows_asks_changes_and_then_has_nothing_to_do(
    cloud: Cloud, here: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    glue, inventory = cloud.client("glue"), str(cloud.inventory)
    glue.delete_table(DatabaseName=DATABASE, Name="gaps_v3")

    def run(**options: Any) -> list[str]:
        tasks.athena_tables(MockContext(), inventory=inventory, **options)
        return capsys.readouterr().out.splitlines()

    assert run(dry_run=True) == [f"make table {DATABASE}.gaps_v3"]
    with pytest.raises(Exit, match="Nothing was changed"):
        run()
    assert "gaps_v3" not in read_tables(glue, DATABASE)
    capsys.readouterr()
    assert run(yes=True) == [f"make table {DATABASE}.gaps_v3", f"{DATABASE} is as the lake is"]
    assert run() == [f"nothing to do: {DATABASE} is as the lake is"]


def test_a_bucket_with_days_of_an_older_schema_keeps_their_tables_and_no_other_gets_any(
    cloud: Cloud, here: Environment
) -> None:
    apply(athena.plan(here, ACCOUNT))
    s3 = cloud.client("s3")
    key = f"lake/depth/date=2026-11-20/host={FORMER}/depth-g1-0123456789abcdef.parquet"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"")

    planned = athena.plan(here, ACCOUNT)
    assert [one.what for one in planned] == [f"table {DATABASE}.{name}" for name in ("depth_files", "depth")]
    apply(planned)

    former = {
        one["Name"] for one in read_tables(cloud.client("glue"), DATABASE)["depth"]["StorageDescriptor"]["Columns"]
    }
    assert former == {*SCHEMAS["depth"].names, *PARTITIONS}
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert athena.plan(here, ACCOUNT) == []
    assert "depth" in read_tables(cloud.client("glue"), DATABASE), "nothing is taken away"


def test_destroy_lists_the_database_removes_it_and_proves_it(cloud: Cloud, here: Environment) -> None:
    doomed = plan(here.account, here.names, ACCOUNT)
    assert [one.name for one in doomed] == [DATABASE, BUCKET]
    with pytest.raises(HarvesterError, match=DATABASE):
        destroy.check_gone(here, ACCOUNT)

    destroy.remove(doomed, lambda _: None)

    destroy.check_gone(here, ACCOUNT)
    assert cloud.client("glue").get_databases()["DatabaseList"] == []
    assert [*check_tables(here, ACCOUNT)] == []
