"""A schema is applied once, by a real PostgreSQL of this machine where it has one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.application.conftest import PROGRAMS
from tests.application.project import EXAMPLE

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path("/nowhere"))
EARLY = "-- first\nCREATE INDEX i ON my_schema.t (a);\nCREATE SCHEMA my_schema;\nCREATE TABLE my_schema.t (a int);\n"
"""The users' order: an index before its schema."""
ROW = "INSERT INTO my_schema.t VALUES (1);\n"
COMPOSE = """#!/bin/sh
# As `compose exec -T SERVICE psql ...`: inside the container the login is by the socket, without a password.
shift 4
exec {binaries}/psql --host {socket} "$@"
"""


class Database:
    """A server of its own, and the program as the role runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.compose = folder, folder / "compose"
        self.compose.write_text(COMPOSE.format(binaries=BINARIES, socket=folder))
        self.compose.chmod(0o755)

    def psql(self, query: str, database: str = "postgres") -> str:
        words = [f"{BINARIES}/psql", "-qAt", "-h", str(self.folder), "-U", "postgres", "-d", database, "-c", query]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def apply(self, text: str, mode: str, database: str) -> "subprocess.CompletedProcess[str]":
        file = self.folder / "Schema.sql"
        file.write_text(text)
        words = [str(self.compose), "postgres", database, "postgres", mode, str(file)]
        program = [sys.executable, "-I", str(PROGRAMS / "apply_schema.py"), *words]
        return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if not (BINARIES / "initdb").exists():
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    folder = Path("/tmp") / tmp_path_factory.mktemp("pg").relative_to("/").as_posix().replace("/", "-")[-40:]  # noqa: S108
    folder.mkdir(mode=0o755)
    mine = [] if os.geteuid() else ["runuser", "--user", "nobody", "--"]
    if mine:
        shutil.chown(folder, "nobody")
    data = folder / "data"
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = [*mine, f"{BINARIES}/pg_ctl", "--pgdata", str(data), "--wait"]
    try:
        subprocess.run(
            [*mine, f"{BINARIES}/initdb", "--pgdata", str(data), "--username=postgres", "--auth=trust", "--no-sync"],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [*control, "--options", options, "--log", str(folder / "log"), "start"], check=True, capture_output=True
        )
        yield Database(folder)
    finally:
        subprocess.run([*control, "--mode", "immediate", "stop"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: Database, request: pytest.FixtureRequest) -> tuple[Database, str]:
    name = f"d{abs(hash(request.node.name))}"
    server.psql(f"CREATE DATABASE {name}")
    return server, name


def test_the_examples_schema_is_applied_once(database: tuple[Database, str]) -> None:
    server, name = database
    text = (EXAMPLE / "Schema.sql").read_text()

    said = [server.apply(text, "strict", name).stdout.strip() for _ in range(2)]
    changed = server.apply(text + "-- more\n", "strict", name).stdout.strip()

    assert [*said, changed] == ["applied", "there", "differs"]
    tables = server.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'my_schema'", name)
    assert tables == "6"
    assert server.psql("SELECT count(*) FROM alpha_harvester.applied_schema", name) == "1"


def test_a_strict_one_that_fails_leaves_nothing_and_names_its_line(database: tuple[Database, str]) -> None:
    server, name = database

    done = server.apply(EARLY, "strict", name)
    late = server.apply("CREATE TABLE a (b int);\nCREATE TABLE c (d nope);\n", "strict", name)

    assert done.stderr.startswith('Schema.sql:2: schema "my_schema" does not exist. Nothing of Schema.sql was applied.')
    assert "application_schema_mode: tolerant" in done.stderr and "Traceback" not in done.stderr
    assert 'Schema.sql:2: type "nope" does not exist' in late.stderr
    assert server.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == "0"
    assert server.apply("CREATE TABLE a (b int);\n", "strict", name).stdout.strip() == "applied"


def test_a_tolerant_one_takes_what_comes_too_early_in_a_second_pass(database: tuple[Database, str]) -> None:
    server, name = database

    done = server.apply(EARLY + "CREATE TABLE my_schema.t (a int);\n", "tolerant", name)

    assert (done.returncode, done.stdout.strip()) == (0, "applied")
    assert server.psql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'my_schema'", name) == "1"


def test_a_tolerant_one_with_rows_is_applied_once_and_its_errors_are_listed(database: tuple[Database, str]) -> None:
    server, name = database

    with_rows = f"{EARLY}{ROW}"

    done = server.apply(with_rows, "tolerant", name)

    assert 'warning: Schema.sql:2: schema "my_schema" does not exist' in done.stdout
    assert done.stdout.splitlines()[-1] == "applied"
    assert server.psql("SELECT count(*) FROM my_schema.t", name) == "1"


def test_a_database_that_does_not_answer_is_said(server: Database) -> None:
    done = server.apply("SELECT 1;\n", "strict", "nowhere")

    assert done.stderr.startswith("The database does not answer:") and "Traceback" not in done.stderr
