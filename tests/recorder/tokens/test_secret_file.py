"""harvester secret-file: a stored secret becomes a file for root alone, and shows nowhere else."""

import stat
from pathlib import Path

import pytest
from tests.recorder.tokens.stand_in import Aws

from harvester.cli import run

PLACE, NAME = "ssm:/lab/application/variables", "/lab/application/variables"
SECRET = "POSTGRES_PASSWORD='p$w{d} #1'\nSYMBOLS=NSE:SBIN-EQ"


def secret_file(file: Path, *words: str, name: str = "application-variables") -> int:
    return run(["secret-file", PLACE, str(file), "--name", name, "--region", "ap-south-1", *words])


def test_it_is_written_once_and_again_when_it_was_stored_anew(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    aws.parameters[NAME] = [SECRET]
    assert secret_file(file, "--check") == 0 and not file.exists()
    assert secret_file(file) == 0
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (SECRET + "\n", 0o600)
    before = file.stat().st_ino
    assert secret_file(file) == secret_file(file, "--check") == 0
    assert file.stat().st_ino == before
    aws.parameters[NAME] += ["A=1\n"]
    assert secret_file(file, "--check") == 0 and file.read_text() == SECRET + "\n"
    assert secret_file(file) == 0 and file.read_text() == "A=1\n"
    said = capsys.readouterr()
    assert said.out.split() == ["changed", "changed", "unchanged", "unchanged", "changed", "changed"]
    assert "p$w" not in said.out + said.err
    assert ("ssm", "ap-south-1") in aws.opened


def test_what_is_not_stored_or_cannot_be_asked_for_leaves_the_file_and_says_what_to_do(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    assert secret_file(file) == 2
    assert "Store it: ./inv secret-put --name application-variables < FILE" in capsys.readouterr().err
    aws.parameters[NAME] = [SECRET]
    aws.faults = ["AccessDeniedException"]
    assert secret_file(file) == 1
    assert "its role may read and decrypt it" in capsys.readouterr().err
    assert file.read_text() == "A=1\n"


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ("\n", "is empty"),
        ("  \n", "is empty"),
        ("Postgres", "is a default"),
        ("changeme\n", "is a default"),
        ("MyDb-2", "a name of the database"),
        ("app_owner", "a name of the database"),
    ],
)
def test_a_databases_password_that_everybody_tries_first_is_refused_and_not_shown(
    stored: str, why: str, aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "password"
    file.write_text("the one of before\n")
    aws.parameters[NAME] = [stored]
    words = ("--unlike", "app_owner", "--unlike", "mydb-2")
    assert secret_file(file, *words, name="database-password") == 2
    assert secret_file(file, "--check", *words, name="database-password") == 2
    said = capsys.readouterr()
    assert f"SSM parameter {NAME}: the password" in said.err and why in said.err
    assert f"store it: ./inv secret-put --name database-password < FILE. {file} is as it was." in said.err
    assert not stored.strip() or stored.strip() not in said.err.replace("database-password", "").replace("ALTER", "")
    assert (said.out, file.read_text()) == ("", "the one of before\n")
    aws.parameters[NAME] = ["mydb-22"]
    assert secret_file(file, *words, name="database-password") == 0
    assert secret_file(file, name="rclone-token") == 0, "a secret of another kind is not judged"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("POSTGRES_PASSWORD=", "POSTGRES_PASSWORD"),
        ("POSTGRES_PASSWORD=''", "POSTGRES_PASSWORD"),
        ("POSTGRES_PASSWORD=  # to come", "POSTGRES_PASSWORD"),
        ('export PGPASSWORD="postgres"', "PGPASSWORD"),
        ("DB_PASS = changeme # for now", "DB_PASS"),
        ("POSTGRES_USER=market_owner\nDATABASE_PASSPHRASE=Market_Owner", "DATABASE_PASSPHRASE"),
        ("POSTGRES_DB=ticks\nPOSTGRES_PASSWORD=ticks", "POSTGRES_PASSWORD"),
    ],
)
def test_variables_with_such_a_password_are_refused_and_those_of_before_stay(
    line: str, key: str, aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=of-before\n")
    aws.parameters[NAME] = [f"SYMBOLS=NSE:SBIN-EQ\n{line}\n"]
    assert secret_file(file) == 2
    said = capsys.readouterr().err
    assert f"SSM parameter {NAME}, {key}: the password is" in said and "changeme" not in said and "arket_" not in said
    assert file.read_text() == "POSTGRES_PASSWORD=of-before\n"


def test_variables_that_are_no_passwords_of_a_database_or_are_made_of_others_pass(aws: Aws, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    text = "SMTP_PASSWORD=\nPOSTGRES_PASSWORD=${OTHER}\n# PGPASSWORD=\nPOSTGRES_DB=test\nDB_PASSWORD='o # ther'\n"
    aws.parameters[NAME] = [text]
    assert secret_file(file) == 0
    assert file.read_text() == text


def test_a_file_that_cannot_be_written_is_named_and_not_the_store(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.parameters[NAME] = ["A=1\n"]
    (tmp_path / "file").write_text("")
    file = tmp_path / "file" / ".env"

    assert secret_file(file) == 1

    said = " ".join(capsys.readouterr().err.split())
    assert f"{file}: it cannot be written (Not a directory). Run this as root" in said
    assert PLACE not in said
