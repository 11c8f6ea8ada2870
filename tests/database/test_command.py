"""`harvester database` as units run it: exit codes, sentences, and remedies that work."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path

import msgspec
import pytest
from tests.database.world import MONDAY, World

from harvester import cli
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import midnight_ns
from harvester.database.pulled import say_copies
from harvester.upload import retries

SATURDAY_NS = 1_795_870_800 * NS_PER_SECOND
"""2026-11-28, 18:30 in India."""
Ending = tuple[int, str, str]


@pytest.fixture
def run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ending]:
    """How `harvester database WORDS` ends on Saturday, by the world's settings."""
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: SATURDAY_NS)
    monkeypatch.setattr(retries, "TRIES", 1)

    def end(*words: str) -> Ending:
        path = tmp_path / "database.json"
        path.write_bytes(msgspec.json.encode(world.settings, enc_hook=str))
        monkeypatch.setenv("HARVESTER_DATABASE", str(path))
        code = cli.run(["database", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return end


def test_a_day_is_backed_up_delivered_and_not_made_twice(world: World, run: Callable[..., Ending]) -> None:
    world.trade(MONDAY + timedelta(days=4), 10)
    code, said, _ = run("daily", "--date", "2026-11-27")
    assert code == 0 and "daily/incremental_2026-11-27.dump.gz: " in said and "my_schema.ticks 10" in said
    code, said, _ = run("deliver")
    assert code == 0 and f"2026-11-27: 1 dumps verified in {world.settings.place}" in said
    assert run("deliver")[:2] == (0, f"1 of 1 days are complete in {world.settings.place}\n")
    assert "is there already, made at" in run("daily", "--date", "2026-11-27")[1]


def test_a_dump_that_a_kill_left_without_a_manifest_is_removed_and_said(
    world: World, run: Callable[..., Ending]
) -> None:
    left = world.folder / world.back_up(MONDAY).path
    (world.folder / "daily/incremental_2026-11-23.json").unlink()
    os.utime(left, ns=(midnight_ns(MONDAY), midnight_ns(MONDAY)))
    code, said, _ = run("daily")
    assert code == 0 and said.startswith("daily/incremental_2026-11-23.dump.gz: its backup did not end, so it has no ")
    assert not left.exists() and "incremental_2026-11-28" in said


def test_without_a_date_it_is_today_in_india(world: World, run: Callable[..., Ending]) -> None:
    assert run("daily")[0] == 0
    assert (world.folder / "daily/incremental_2026-11-28.json").exists()
    assert run("full")[0] == 0
    assert (world.folder / "weekly/full_2026-11-28.json").exists()


def test_before_the_backups_time_it_is_the_one_of_yesterday_that_a_host_slept_through(
    world: World, run: Callable[..., Ending], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: SATURDAY_NS - 3 * 3600 * NS_PER_SECOND)
    assert run("daily")[0] == 0
    assert (world.folder / "daily/incremental_2026-11-27.json").exists()


def test_backups_that_no_receipt_proves_for_three_days_are_told_by_each_run(
    world: World, run: Callable[..., Ending]
) -> None:
    world.trade(MONDAY, 10)
    world.back_up(MONDAY)
    code, said, complaint = run("daily")
    assert code == 1 and "daily/incremental_2026-11-28.dump.gz: " in said
    assert "daily/incremental_2026-11-23.dump.gz: the bucket was not seen to hold them for days" in complaint
    assert run("deliver")[0] == 0
    code, said, complaint = run("daily")
    assert (code, complaint) == (0, "")
    assert "daily/incremental_2026-11-23.dump.gz: the bucket has it, and 3 days are over" in said


def test_without_a_bucket_a_week_without_a_pull_is_told_and_a_pull_lets_the_copies_go(
    world: World, run: Callable[..., Ending], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.changes = {"place": None}
    world.trade(MONDAY, 10)
    old = world.back_up(MONDAY - timedelta(days=2))
    code, _, complaint = run("deliver")
    assert code == 2 and "no bucket (database_backup.place). ./inv pull-database takes them" in complaint
    code, _, complaint = run("daily")
    assert code == 1 and f"{old.path}: no laptop has pulled them for a week" in complaint
    assert "Run ./inv pull-database." in complaint and (world.folder / old.path).exists()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(say_copies([old]))))
    assert run("pulled")[:2] == (0, "1 backups here are on the laptop as well\n")
    code, said, complaint = run("daily")
    assert (code, complaint) == (0, "")
    assert f"{old.path}: a laptop has it, and 3 days are over" in said and not (world.folder / old.path).exists()


def test_a_restore_test_of_what_is_not_delivered_says_what_to_do_and_then_passes(
    world: World, run: Callable[..., Ending]
) -> None:
    world.trade(MONDAY, 10)
    run("full")
    code, _, complaint = run("restore-test")
    assert code == 1 and "Run `harvester database deliver`, and this again." in complaint
    assert run("deliver")[0] == 0
    code, said, _ = run("restore-test")
    assert code == 0 and "restored and compared: weekly/full_2026-11-28.dump.gz; 7 tables" in said


def test_a_bucket_that_cannot_be_reached_leaves_the_backup_and_says_so(
    world: World, run: Callable[..., Ending]
) -> None:
    run("daily")
    good, world.endpoint = world.endpoint, "http://127.0.0.1:9"
    code, said, complaint = run("deliver")
    assert code == 1 and "0 of 1 days are complete" in said and "127.0.0.1:9" in complaint
    world.endpoint = good
    assert run("deliver")[0] == 0


def test_a_host_without_a_database_and_settings_that_cannot_be_read_say_what_writes_them(
    run: Callable[..., Ending], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARVESTER_DATABASE", str(tmp_path / "nothing.json"))
    assert cli.run(["database", "daily"]) == 2
    assert "set database_backup in the inventory, and run ./inv deploy." in capsys.readouterr().err
    (tmp_path / "wrong.json").write_text("{")
    monkeypatch.setenv("HARVESTER_DATABASE", str(tmp_path / "wrong.json"))
    assert cli.run(["database", "deliver"]) == 2
    assert "./inv deploy writes them." in capsys.readouterr().err
    (tmp_path / "wrong.json").write_text(json.dumps({"database": "x", "tabels": []}))
    assert cli.run(["database", "deliver"]) == 2
    assert "tabels: unknown key; did you mean 'tables'?" in capsys.readouterr().err


def test_a_password_reaches_the_programs_by_a_file_and_shows_nowhere(
    world: World, run: Callable[..., Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cret:with\\odd"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/DATABASE_PASSWORD").write_text(secret + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    seen = tmp_path / "seen"
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {world.postgres.bin}/pg_dump --version\n'
        f'{{ echo "$@"; env; stat -c %a "$PGPASSFILE"; cat "$PGPASSFILE"; }} > {seen}\n'
        f'exec {world.postgres.bin}/pg_dump "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr("harvester.database.programs.FOLDERS", "/nowhere")
    monkeypatch.setenv("PATH", f"{program.parent}:{world.postgres.bin}:{os.environ['PATH']}")
    code, said, complaint = run("daily")
    assert (code, complaint) == (0, "")
    *told, mode, passfile = seen.read_text().splitlines()
    assert secret not in "\n".join(told) + said
    assert (mode, passfile) == ("600", r"*:*:*:*:s3cret\:with\\odd")
    assert not any(Path(line.partition("=")[2]).exists() for line in told if line.startswith("PGPASSFILE="))


def test_a_client_older_than_the_server_is_named_before_anything_is_made(
    world: World, run: Callable[..., Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 12.9'\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setattr("harvester.database.programs.FOLDERS", "/nowhere")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr("harvester.database.programs.shutil.which", lambda name: f"{tmp_path}/bin/{name}")
    code, _, complaint = run("daily")
    assert code == 2 and "here pg_dump 12.9 is older. Install that version's client" in complaint
    assert not list(world.folder.rglob("*.gz"))


@pytest.mark.parametrize(
    ("password", "why"),
    [("", "is empty"), ("  \n", "is empty"), ("postgres\n", "is a default"), ("NAME", "a name of the database")],
)
def test_a_default_or_empty_password_is_refused_by_each_job_and_at_a_deploy_and_not_shown(
    password: str, why: str, world: World, run: Callable[..., Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = tmp_path / "credentials/DATABASE_PASSWORD"
    credential.parent.mkdir()
    credential.write_text(password.replace("NAME", world.database.upper()))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credential.parent))
    for words in (
        ("daily",),
        ("full",),
        ("check", str(tmp_path / "database.json"), "--password-file", str(credential)),
    ):
        code, said, complaint = run(*words)
        assert (code, said) == (2, "") and f"{credential}: the password" in complaint and why in complaint
        assert "Set another in the database (ALTER USER ... PASSWORD)" in complaint
        assert not password.strip() or password.strip() not in complaint
    assert not list(world.folder.rglob("*.gz"))
    credential.write_text("another one\n")
    assert run("daily")[0] == 0
