"""Apply a schema to the application's database, once. Run as root on the host, with the application's Compose.

    COMPOSE SERVICE DATABASE USER strict|tolerant FILE

strict: one transaction; the first error ends it, and nothing of it stays. tolerant: each statement for itself; where
the file has no rows, a second pass makes what needed something that comes later in it. Errors are FILE:LINE and
PostgreSQL's words. That it was applied is noted in the database itself, so that a copy of the database has the note,
too. Prints `applied`, `there` or, where the file is another one since, `differs`.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ERROR = re.compile(r"^psql:[^:]*:(\d+): (?:ERROR|FATAL):\s*(.*)$", re.MULTILINE)
THERE = re.compile(r"already exists|multiple primary keys")
ROWS = re.compile(r"^\s*(INSERT|COPY|UPDATE|DELETE|MERGE)\b", re.IGNORECASE | re.MULTILINE)
NOTE = """
CREATE SCHEMA IF NOT EXISTS alpha_harvester;
CREATE TABLE IF NOT EXISTS alpha_harvester.applied_schema (
    file text NOT NULL, sha256 text NOT NULL, mode text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
"""


class Database:
    """psql inside the database's container: of the server's own version, and no password."""

    def __init__(self, compose: str, service: str, database: str, user: str) -> None:
        self._psql = [compose, "exec", "-T", service, "psql", "--no-psqlrc", "--quiet", "--username", user]
        self._psql += ["--dbname", database]

    def run(self, text: str, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [*self._psql, *words, "--file", "/dev/stdin"]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    def ask(self, query: str) -> str:
        done = self.run(query, "--set", "ON_ERROR_STOP=1", "--tuples-only", "--no-align")
        if done.returncode:
            sys.exit(f"The database does not answer: {' '.join(done.stderr.split())}")
        return done.stdout.strip()


def errors_of(said: str, name: str) -> list[str]:
    return [f"{name}:{line}: {words}" for line, words in ERROR.findall(said)]


def apply_strict(database: Database, text: str, name: str) -> None:
    done = database.run(text, "--set", "ON_ERROR_STOP=1", "--single-transaction")
    if done.returncode:
        found = errors_of(done.stderr, name) or [" ".join(done.stderr.split())]
        sys.exit(
            f"{found[0]}. Nothing of {name} was applied. Correct the order there, or set application_schema_mode:"
            " tolerant."
        )


def apply_tolerant(database: Database, text: str, name: str) -> None:
    found: list[str] = []
    for _ in range(1 if ROWS.search(text) else 2):
        done = database.run(text)
        found = [each for each in errors_of(done.stderr, name) if not THERE.search(each)]
        if done.returncode:
            sys.exit(f"{name} broke off: {' '.join(done.stderr.split())[-500:]}")
        if not found:
            break
    for each in found:
        print(f"warning: {each}")


def main() -> None:
    compose, service, name_of_database, user, mode, file = sys.argv[1:]
    database, text, name = (
        Database(compose, service, name_of_database, user),
        Path(file).read_text("utf-8"),
        Path(file).name,
    )
    content = hashlib.sha256(text.encode()).hexdigest()
    noted = ""
    if database.ask("SELECT to_regclass('alpha_harvester.applied_schema') IS NOT NULL;") == "t":
        noted = database.ask("SELECT sha256 FROM alpha_harvester.applied_schema ORDER BY applied_at DESC LIMIT 1;")
    if noted:
        print("there" if noted == content else "differs")
        return
    (apply_strict if mode == "strict" else apply_tolerant)(database, text, name)
    values = f"'{name.replace(chr(39), chr(39) * 2)}', '{content}', '{mode}'"
    database.ask(f"{NOTE} INSERT INTO alpha_harvester.applied_schema VALUES ({values});")  # noqa: S608  # quoted above
    print("applied")


if __name__ == "__main__":
    main()
