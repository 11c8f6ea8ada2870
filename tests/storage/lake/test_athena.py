"""The tables and views by which Athena reads the bucket: names, types, partitions and places, to the letter."""

import re

import pyarrow as pa
import pytest

from harvester.cli import run
from harvester.reader.athena import CURRENT, SCHEMAS, athena_type, define_all, define_files, describe

GAPS = """\
CREATE EXTERNAL TABLE IF NOT EXISTS `market`.`gaps_v3_files` (
  `symbol` string,
  `feed` string,
  `ts_from` timestamp,
  `ts_to` timestamp,
  `cause` string,
  `detail` string,
  `slots` bigint,
  `source` string
)
PARTITIONED BY (`folder` string, `date` string, `host` string)
STORED AS PARQUET
LOCATION 's3://b-1/lake/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2026-03-04,NOW+1DAYS',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'projection.host.type' = 'enum',
  'projection.host.values' = 'h1,h2',
  'projection.folder.type' = 'enum',
  'projection.folder.values' = 'gaps_v3,gaps_v3-rebuilt',
  'storage.location.template' = 's3://b-1/lake/${folder}/date=${date}/host=${host}/'
);
"""
MANIFESTS = """\
CREATE EXTERNAL TABLE IF NOT EXISTS `market`.`manifest_lines` (
  `line` string
)
PARTITIONED BY (`date` string, `host` string)
STORED AS TEXTFILE
LOCATION 's3://b-1/lake/manifest/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2026-03-04,NOW+1DAYS',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'projection.host.type' = 'enum',
  'projection.host.values' = 'h1,h2',
  'storage.location.template' = 's3://b-1/lake/manifest/date=${date}/host=${host}/'
);
"""
VIEW = """\
CREATE OR REPLACE VIEW "market"."gaps_v3" AS
SELECT f."symbol", f."feed", f."ts_from", f."ts_to", f."cause", f."detail", f."slots", f."source", f."date", f."host"
FROM "market"."gaps_v3_files" f
JOIN (
  SELECT m."date", m."host", regexp_extract(m."line", '"path": "gaps_v3/[^"]*/([^"/]+)"', 1) AS "name"
  FROM "market"."manifest_lines" m
  JOIN (
    SELECT "date", "host", max(TRY_CAST(regexp_extract("$path", 'manifest-([0-9]+)[.]json$', 1) AS integer)) AS "generation"
    FROM "market"."manifest_lines"
    GROUP BY "date", "host"
  ) n
  ON m."date" = n."date" AND m."host" = n."host" AND TRY_CAST(regexp_extract(m."$path", 'manifest-([0-9]+)[.]json$', 1) AS integer) = n."generation"
  WHERE m."line" LIKE '%"path": "gaps_v3/%'
) listed
ON f."date" = listed."date" AND f."host" = listed."host"
  AND regexp_extract(f."$path", '[^/]+$') = listed."name";
"""  # noqa: E501


def test_a_table_is_defined_to_the_letter() -> None:
    found = [*define_all(["gaps_v3"], "b-1", "lake/", ["h1", "h2"], "2026-03-04", "market")]
    assert [one.name for one in found] == ["manifest_lines", "gaps_v3_files", "gaps_v3"]
    assert [describe(one, "market") for one in found] == [MANIFESTS, GAPS, VIEW]


def test_each_path_of_a_manifest_is_on_a_line_of_its_own(place) -> None:
    """What the view reads of it; the manifests of all releases are written so."""
    place.record_all()
    manifest = place.close().manifest
    lines = (place.lake / place.partition.manifest).read_text().splitlines()
    found = [match[1] for line in lines if (match := re.search('"path": "([^"]+)"', line))]
    assert found == [entry.path for entry in manifest.files] and len(found) > 3


def test_every_type_of_the_lake_has_its_name_in_athena() -> None:
    columns = {name: define_files(name, "b", "", ["h"], "2026-01-01").columns for name in SCHEMAS}
    assert all(list(columns[name]) == SCHEMAS[name].names for name in SCHEMAS)
    former = [columns["depth"][name] for name in ("recv_ns", "symbol", "entry", "in_session", "bid_px")]
    assert former == ["bigint", "string", "int", "boolean", "array<bigint>"]
    depth = [columns["depth_v3"][name] for name in ("ts_recv", "symbol", "valid", "bid_px_paise")]
    assert depth == ["timestamp", "string", "boolean", "array<bigint>"]
    assert {*CURRENT} <= {*SCHEMAS} and all(folder.endswith("_v3") for folder in CURRENT)
    with pytest.raises(KeyError):
        athena_type(pa.float32())


def test_the_command_prints_the_tables_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["athena-ddl", "--bucket", "b-1", "--host", "h1", "--host", "h2", "--database", "market"]
    assert run([*words, "--since", "2026-03-04", "--table", "gaps_v3"]) == 0
    assert capsys.readouterr().out == "\n".join((MANIFESTS, GAPS, VIEW)) + "\n"
