"""What people write, on the command line, in files and as passwords, and how a mistake in it is said; see also
test_settings.py."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
import structlog

from harvester.base.arguments import at_least, require_directory, require_place
from harvester.base.aws_errors import CLASSES, CODES, SIGN_IN, advise, cause_of, cause_of_code, code_of
from harvester.base.clock import parse_date
from harvester.base.endings import describe_ending, flush_output, report_ending
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.logs import configure_logs
from harvester.base.passwords import GUESSED, GuessedError, refuse_guessed, refuse_stored, refuse_variables
from harvester.base.redaction import MASK, Secret, forget_secrets, one_line, register_secret
from harvester.base.validation import Model, Refused, suggest, validate


def test_a_number_that_is_too_small_or_none_is_refused_by_argparse(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(prog="x")
    parser.add_argument("--n", type=at_least(2))
    assert [parser.parse_args(["--n", text]).n for text in ("2", "30")] == [2, 30]
    for text, said in (("1", "argument --n: must be 2 or more"), ("two", "argument --n: invalid int value: 'two'")):
        with pytest.raises(SystemExit):
            parser.parse_args(["--n", text])
        assert capsys.readouterr().err.endswith(f"x: error: {said}\n")


def test_places_that_cannot_be_written_are_named_with_their_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    new = tmp_path / "a" / "b"
    require_directory(tmp_path, "--to")
    require_directory(new, "--to")
    for path in (file, file / "x" / "y"):
        with pytest.raises(ConfigError) as caught:
            require_directory(path, "--to")
        said = f"--to {path}: {file} is not a directory. Name one, or a path for a new one."
        assert str(caught.value) == said
    asked: list[Path] = []
    rights = [True, True, False]
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((path, mode)) or rights.pop(0))
    require_place(file, "--to")
    require_place(tmp_path / "new", "--to")
    for path, said in (
        (tmp_path, f"--to {tmp_path} is a directory. Name a file in it."),
        (new, f"--to {new}: there is no directory {new.parent}. Make it, or name another file."),
        (file, f"--to {file} cannot be written by this user. Name another file."),
    ):
        with pytest.raises(ConfigError) as caught:
            require_place(path, "--to")
        assert str(caught.value) == said
    assert asked == [(place, os.W_OK) for place in (file, tmp_path, file)]


@pytest.mark.parametrize(("option", "given"), [("--date", "--date '2026-13-01'"), ("", "'2026-13-01'")])
def test_a_date_that_is_none_is_named_with_its_option(option: str, given: str) -> None:
    assert parse_date("2026-11-23").isoformat() == "2026-11-23"
    with pytest.raises(ConfigError) as caught:
        parse_date("2026-13-01", option)
    assert str(caught.value) == f"{given} is not a date. Write it as YYYY-MM-DD, such as 2026-11-23."


EMPTY = "{}: the password is empty, so anybody is let in who asks."
DEFAULT = "{}: the password is a default, or a name of the database, which everybody tries first."


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", EMPTY),
        (" \t", EMPTY),
        *((each, DEFAULT) for each in sorted(GUESSED)),
        (" PassWord ", DEFAULT),
        ("MyName", DEFAULT),
        ("myname1", ""),
        ("long and good", ""),
    ],
)
def test_a_password_that_everybody_tries_is_refused(password: str, said: str) -> None:
    def refusal(check: object, *given: object) -> str:
        try:
            check(*given)  # type: ignore[operator]
        except GuessedError as error:
            return str(error)
        return ""

    names = ["other", "mynAme"]
    assert refusal(refuse_guessed, password, names, "here") == said.format("here")
    assert refusal(refuse_stored, "database-password", password, names, "here") == said.format("here")
    assert refusal(refuse_stored, "other-secret", password, names, "here") == ""
    text = f"# a remark\nexport POSTGRES_USER = 'MYNAME'\n  PGPASSWORD=\"{password}\" # why\nnothing\n"
    assert refusal(refuse_variables, text, "file") == said.format("file, PGPASSWORD")
    assert refusal(refuse_stored, "application-variables", text, [], "file") == said.format("file, PGPASSWORD")
    assert refusal(refuse_stored, "application-variable", text, [], "file") == ""


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("POSTGRES_PASSWORD=secret", True),
        ("DB_PASSPHRASE=secret", True),
        ("MYSQL_ROOT_PASSWD=secret", True),
        ("DATABASE_PASS=secret # a remark", True),
        ("POSTGRES_PASSWORD=good#secret", False),
        ("POSTGRES_PASSWORD='secret", False),
        ('POSTGRES_PASSWORD="secret\' "', False),
        ("POSTGRES_PASSWORD='a b' secret", False),
        ("POSTGRES_PASSWORD_FILE=secret", False),
        ("API_PASSWORD=secret", False),
        ("POSTGRES_DB=ours\nPG_PASSWORD=ours", True),
        ("APP_DATABASE=ours\nPG_PASSWORD=ours", True),
        ("POSTGRES_DB=\nPG_PASSWORD=good", False),
        ("NAME=ours\nPG_PASSWORD=ours", False),
    ],
)
def test_variables_are_read_as_a_shell_would(line: str, is_refused: bool) -> None:
    try:
        refuse_variables(line, "file")
    except GuessedError:
        assert is_refused
    else:
        assert not is_refused


class Part(Model):
    kind: Literal["a", "b"] = "a"
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Whole(Model):
    name: str
    parts: tuple[Part, ...] = ()
    pair: tuple[int, str] = (1, "")
    by: dict[str, Part] | None = None
    either: int | dict[str, int] = 0
    path: Path | None = None
    word: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+\Z")] | None = None

    def __post_init__(self) -> None:
        if self.name == "odd":
            raise ValueError("name and the rest do not go together")


@pytest.mark.parametrize(
    ("data", "findings"),
    [
        ([], ["the file as a whole: must be an object, not a list"]),
        ({}, ["name: required, and not set"]),
        ({"name": 1}, ["name: must be text, not a whole number"]),
        ({"name": "odd"}, ["the file as a whole: name and the rest do not go together"]),
        ({"name": "x", "nam": 1}, ["nam: unknown key; did you mean 'name'?"]),
        ({"name": "x", "zzz": 1}, ["zzz: unknown key; known keys: by, either, name, pair, parts, path, word"]),
        (
            {"name": "x", "parts": [{}, {"kind": "c", "size": 0}, {"siz": 1}]},
            [
                "parts[1].kind: must be one of a, b",
                "parts[1].size: must be a whole number >= 1",
                "parts[2].siz: unknown key; did you mean 'size'?",
            ],
        ),
        (
            {"name": "x", "pair": ["y", 1]},
            ["pair[0]: must be a whole number, not text", "pair[1]: must be text, not a whole number"],
        ),
        ({"name": "x", "pair": [1]}, ["pair: must be a list of length 2, not 1"]),
        (
            {"name": "x", "by": {"k": {"kind": "z"}, "l": 4}},
            ["by.k.kind: must be one of a, b", "by.l: must be an object, not a whole number"],
        ),
        ({"name": "x", "either": {"k": "y"}}, ["either[...]: must be a whole number, not text"]),
        ({"name": "x", "path": "here"}, ["path: must be an absolute path"]),
        ({"name": "x", "path": 7}, ["path: must be an absolute path"]),
        ({"name": "x", "word": "A"}, ["word: must be text matching regex '^[a-z]+$'"]),
    ],
)  # fmt: skip
def test_each_finding_is_a_line_with_its_place_and_rule(data: object, findings: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        validate(Whole, data)
    assert str(caught.value).splitlines() == [f"  {each}" for each in findings]


def test_what_is_right_becomes_the_model() -> None:
    made = validate(Whole, {"name": "x", "by": {"k": {"size": 3}}, "path": "/a", "pair": [2, "y"], "word": "a"})
    assert made == Whole("x", by={"k": Part(size=3)}, path=Path("/a"), pair=(2, "y"), word="a")
    assert suggest("siz", ["kind", "size"]) == "did you mean 'size'?"


@pytest.mark.parametrize(("cause", "code"), [(cause, code) for cause, codes in CODES.items() for code in codes])
def test_a_code_of_aws_has_its_cause(cause: str, code: str) -> None:
    error = type("ClientError", (Exception,), {"response": {"Error": {"Code": code}}})()
    assert cause_of_code(code) == cause_of(error) == cause
    assert code_of(error) == code


def test_errors_without_a_code_have_the_cause_of_their_kind() -> None:
    for cause, names in CLASSES.items():
        for name in names - {"OSError"}:
            assert cause_of(type("Sub", (type(name, (Exception,), {}),), {})()) == cause
    assert cause_of(FileNotFoundError()) == "network"
    assert (cause_of(ValueError()), cause_of_code("New"), code_of(ValueError())) == ("other", "other", "")
    assert code_of(type("E", (Exception,), {"response": None})()) == ""


def test_each_cause_says_what_a_person_does() -> None:
    def said(cause: str) -> str:
        return advise(cause, service="SSM", rights="ssm:GetParameter", region="token.region")

    assert {cause: said(cause) for cause in (*CODES, *CLASSES, "other")} == {
        "denied": "The credentials here do not allow this. It needs ssm:GetParameter; on a host the instance's role has"
        " it: run site.yml.",
        "no_credentials": SIGN_IN,
        "invalid": f"The credentials are not valid. {SIGN_IN}",
        "expired": f"The credentials are not valid any more. {SIGN_IN}",
        "clock": "The clock here is off. Correct it; `chronyc tracking` shows it.",
        "region": "Correct token.region in harvester_settings: the region is not known, or is another one.",
        "throttled": "The account calls AWS too often; the next minute may do.",
        "network": "Is the network up? The next minute may do.",
        "missing": "Look up this code in the SSM documentation.",
        "other": "Look up this code in the SSM documentation.",
    }


@pytest.fixture
def logging_reset() -> Iterator[None]:
    yield
    forget_secrets()
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


@pytest.mark.usefixtures("logging_reset")
@pytest.mark.parametrize("under_systemd", [True, False])
@pytest.mark.parametrize("debug", [True, False])
def test_a_line_has_its_level_and_its_time_or_priority(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], under_systemd: bool, debug: bool
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if under_systemd:
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    register_secret(Secret("a secret word"))
    configure_logs(debug=debug)
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("it_came", at=1.5, said="two\r\nlines, a secret word", nothing=None, yes=True)
    logging.getLogger("some.library").warning("it's a secret word")

    *lines, library = capsys.readouterr().out.splitlines()
    levels = ("debug", "info", "warning", "error", "critical")[not debug :]
    rest = rf'event=it_came at=1.5 said="two \nlines, {MASK}" nothing=None yes=true'
    for line, level in zip(lines, levels, strict=True):
        begin, _, after = line.partition("level=")
        assert after == f"{level} {rest}"
        if under_systemd:
            assert begin == f"<{dict(debug=7, info=6, warning=4, error=3, critical=2)[level]}>"
        else:
            assert begin.startswith("timestamp=20") and begin.endswith("Z ") and begin[20] == "T"
    assert library == f'level=warning event="it\'s {MASK}" logger=some.library'


class Output:
    """A standard output that takes nothing; it lies where `descriptor` is."""

    def __init__(self, descriptor: int, error: OSError | None) -> None:
        self.descriptor, self.error = descriptor, error

    def flush(self) -> None:
        if self.error:
            raise self.error

    def fileno(self) -> int:
        return self.descriptor


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BrokenPipeError(32, "Broken pipe"), ""),
        (
            OSError(28, "No space left on device"),
            "standard output: No space left on device, so not all of the answer was written. Send it elsewhere, or free"
            " some space there.",
        ),
    ],
)
def test_an_output_that_takes_nothing_more_is_said_once_and_python_flushes_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: OSError, said: str
) -> None:
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    monkeypatch.setattr(sys, "stdout", Output(file, error))
    try:
        with pytest.raises(HarvesterError) as caught:
            flush_output()
        os.write(file, b"what Python flushes at its end")
        assert str(caught.value) == said
        assert (tmp_path / "out").read_bytes() == b""
        assert describe_ending(OSError(5, "Input/output error"), for_traceback="") == (1, said)
    finally:
        os.close(file)


@pytest.mark.parametrize("state", ["reader gone", "well", "closed"])
def test_an_error_of_no_file_is_the_outputs_where_its_reader_is_gone(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    reading, writing = os.pipe()
    for end, closed_in in ((reading, "reader gone"), (writing, "closed")):
        if state == closed_in:
            os.close(end)
    monkeypatch.setattr(sys, "stdout", Output(writing, None))
    try:
        code, said = describe_ending(OSError(5, "Input/output error"), for_traceback="See there.")
        usual = "a file, or standard output: Input/output error. Correct that and run the command again. See there."
        assert (code, said) == (1, "" if state == "reader gone" else usual)
    finally:
        for end, closed_in in ((reading, "reader gone"), (writing, "closed")):
            if state != closed_in:
                os.close(end)


@pytest.mark.usefixtures("logging_reset")
@pytest.mark.parametrize("debug", [True, False])
def test_a_program_says_why_it_ends_masked_and_with_its_traceback_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    register_secret(Secret("a secret word"))
    monkeypatch.delenv("HARVESTER_DEBUG", raising=False)
    if debug:
        monkeypatch.setenv("HARVESTER_DEBUG", "1")
    try:
        raise ValueError("of a secret word")
    except ValueError as error:
        assert report_ending("harvester", error) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == (
        f"harvester: unexpected ValueError: of {MASK}. HARVESTER_DEBUG=1 in the environment shows the traceback."
    )
    assert said.startswith("Traceback") is debug
    assert report_ending("harvester", HarvesterError("")) == 1
    assert report_ending("harvester", KeyboardInterrupt()) == 130
    last = "harvester: interrupted. What was finished stays; run the command again to go on.\n"
    assert capsys.readouterr().err.endswith(last)


def test_words_of_others_are_one_printable_line() -> None:
    assert one_line(" a\n b\x00c\u202e ") == "a b c"
    assert (one_line(""), one_line("x" * 200), one_line("abc", 2)) == ("no detail", "x" * 160, "ab")
