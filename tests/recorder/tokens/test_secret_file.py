"""harvester secret-file: a stored secret becomes a file for root alone, and shows nowhere else."""

import stat
from pathlib import Path

import pytest
from tests.recorder.tokens.stand_in import Aws

from harvester.cli import run

PLACE, NAME = "ssm:/lab/application/variables", "/lab/application/variables"
SECRET = "POSTGRES_PASSWORD='p$w{d} #1'\nSYMBOLS=NSE:SBIN-EQ"


def secret_file(file: Path, *words: str) -> int:
    return run(["secret-file", PLACE, str(file), "--name", "application-variables", "--region", "ap-south-1", *words])


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
