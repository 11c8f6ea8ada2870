"""Rows of a backup merged a second, beside pg_restore of the same rows into an empty table, and the memory for it.

Wall seconds of the same server: what PostgreSQL does is most of both. Ours compares hash, rows and digests besides.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from tests.bench.report import Report
from tests.postgresql_server import PostgresServer, programs, running_server

from harvester.config.database import parse_database
from harvester.database.dumps import write_dump
from harvester.database.export import back_up_rows
from harvester.database.loading import load_rows
from harvester.database.manifests import Backup, load
from harvester.database.merge import Rules, merge
from harvester.database.programs import choose
from harvester.database.restore import restore_dump
from harvester.database.server import Server

DAY = date(2026, 11, 23)
ROWS, LONG_ROWS = 500_000, 5_000_000
TABLE = """CREATE SCHEMA my_schema; CREATE TABLE my_schema.ticks (
    id bigserial PRIMARY KEY, instrument_token bigint NOT NULL, last_price numeric(15,2), volume bigint,
    run_date date DEFAULT '2026-11-23', "timestamp" timestamptz DEFAULT '2026-11-23 10:00+05:30')"""
FILL = """INSERT INTO my_schema.ticks (instrument_token, last_price, volume)
    SELECT i % 50, 100 + i % 977 / 100.0, i FROM generate_series(1, {}) i"""


def run(report: Report, *, long: bool) -> None:
    """Half a million rows; with --long five."""
    if programs() is None:
        report.skip("backups of a database", "no PostgreSQL server here; as root: apt-get install postgresql")
        return
    rows = LONG_ROWS if long else ROWS
    with running_server() as postgres, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder)
        for name in ("server", "plain", "laptop"):
            postgres.create_database(name)
            with postgres.connect(name) as connection:
                connection.execute(TABLE)
        with postgres.connect("server") as connection:
            connection.execute(FILL.format(rows))
        backup = _back_up(postgres, root)
        plain = _restore_plainly(postgres, root, backup)
        first, again = _merge(postgres, root), _merge(postgres, root)
        with postgres.connect("server") as connection:
            connection.execute("UPDATE my_schema.ticks SET volume = volume + 1 WHERE id % 10 = 0")
        _back_up(postgres, root)
        changed = _merge(postgres, root)
    kinds = (("merged, all new", first), ("again, all unchanged", again), ("a tenth changed", changed))
    lines = [["pg_restore into an empty table", round(rows / plain), "-"]]
    lines += [[name, round(rows / found["seconds"]), round(found["mib"])] for name, found in kinds]
    report.table(f"A backup of {rows:,} rows", ["what", "rows/s", "MiB at most"], lines)
    report.figure("database_merge_beside_restore", round(plain / first["seconds"], 2), bound=">= 0.5", unit="x")
    report.figure("database_merge_peak_memory", round(first["mib"]), bound="<= 200", unit="MiB")


def _server(postgres: PostgresServer) -> Server:
    return Server(postgres.socket_folder, 5432, "postgres")


def _back_up(postgres: PostgresServer, root: Path) -> Backup:
    content = {"database": "server", "place": "s3://bucket/", "tables": [{"name": "my_schema.ticks"}]}
    return back_up_rows(_server(postgres), parse_database(content, "bench"), root, DAY, DAY)


def _restore_plainly(postgres: PostgresServer, root: Path, backup: Backup) -> float:
    """Seconds of pg_restore of the same rows, as data alone into the table as it is, with its key."""
    server = _server(postgres)
    path = root / "plain.dump.gz"
    program = choose("pg_dump", backup.major, "the server")
    write_dump(program, server, "server", ["--data-only", "--table=my_schema.ticks"], path)
    began = time.monotonic()
    plain = Backup(**{name: getattr(backup, name) for name in backup.__struct_fields__} | {"path": path.name})
    restore_dump(server, "plain", root, plain, ["--single-transaction"])
    return time.monotonic() - began


def _merge(postgres: PostgresServer, root: Path) -> dict[str, float]:
    """Seconds and peak memory of a process that merges, the larger of its own and its children's."""
    command = [sys.executable, "-m", "tests.bench.bench_database", postgres.socket_folder, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _child(socket_folder: str, root: str) -> None:
    server = Server(socket_folder, 5432, "postgres")
    backup = load(Path(root), "daily", DAY)
    assert backup is not None
    began = time.monotonic()
    with server.connect("laptop", autocommit=True) as connection:
        load_rows(server, "laptop", connection, Path(root), backup)
        merge(connection, backup, Rules())
    seconds = time.monotonic() - began
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "mib": peak / 1024}))


if __name__ == "__main__":
    _child(*sys.argv[1:])
