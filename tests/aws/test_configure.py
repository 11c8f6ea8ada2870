"""configure beside what a person has edited: what was answered anew changes, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from tests.aws.account import ANSWERS

from harvester.base.errors import ConfigError
from lab.aws.server import ACCOUNT
from runbook.aws import configure
from runbook.aws.questions import QUESTIONS
from runbook.console import variables
from runbook.fleet.keys import make_key

EDITED = """
# Kept apart for the auditors.
aws_storage_expire_days: 400  # seven years were too dear

my_rules:
  - {index: "NIFTY 50", feed: depth}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_key(tmp_path / "key", "test")
    return tmp_path / "aws"


def write(place: Path, **different: str) -> str:
    (place / "group_vars").mkdir(parents=True, exist_ok=True)
    configure.write({**ANSWERS, **different}, place, ACCOUNT, place.parent / "key")
    return (place / "group_vars/all.yml").read_text("utf-8")


def edit(place: Path, *changes: tuple[str, str]) -> str:
    file = place / "group_vars/all.yml"
    text = file.read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text + EDITED, encoding="utf-8")
    return text + EDITED


def test_the_same_answers_leave_an_edited_file_as_it_is(place: Path) -> None:
    write(place)
    edited = edit(
        place,
        ("aws_host_public_key_file:", "# the office's key\naws_host_public_key_file:"),
        ('aws_host_ssh_sources: ["203.0.113.7/32"]', 'aws_host_ssh_sources: ["203.0.113.7/32", "2001:db8::/56"]'),
    )
    known = configure.read_known(place)

    assert known["source"] == "203.0.113.7/32,2001:db8::/56"
    assert write(place, **known) == edited


def test_an_answer_that_changed_changes_its_variable_and_no_other(place: Path) -> None:
    write(place)
    edited = edit(place)

    after = write(place, email="new@example.com", symbols="NSE:SBIN-EQ")

    assert (
        after.replace("new@example.com", ANSWERS["email"]).replace(
            "  - NSE:SBIN-EQ\n", "  - NSE:SBIN-EQ\n  - NSE:INFY-EQ\n"
        )
        == edited
    )
    assert yaml.safe_load(after)["my_rules"] == [{"index": "NIFTY 50", "feed": "depth"}]


def test_rules_among_the_symbols_stay_because_no_question_can_ask_for_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = tuple(
        replace(one, check=lambda *_: None) if one.key in ("profile", "region") else one for one in QUESTIONS
    )
    monkeypatch.setattr(configure, "QUESTIONS", offline)  # those two ask AWS
    write(place)
    edited = edit(place, ("  - NSE:INFY-EQ\n", '  - {index: "NIFTY 50"}\n'))

    known = configure.read_known(place)
    said: list[str] = []
    answers = configure.ask_all(lambda _, default: default, said.append, known=known)
    answers_file = place.parent / "answers.json"
    answers_file.write_text(json.dumps({"email": ANSWERS["email"]}), encoding="utf-8")

    assert "symbols" not in known and "rules" in said[0]
    assert configure.read_answers(answers_file, known) == answers
    assert write(place, **answers) == edited


def test_the_file_of_before_the_first_configure_is_replaced_and_what_was_added_is_kept(place: Path) -> None:
    (place / "group_vars").mkdir(parents=True)
    (place / "group_vars/all.yml").write_text("---\n# Not configured yet.\naws_account_managed: false\n" + EDITED)

    found = yaml.safe_load(write(place))

    assert (found["aws_account_managed"], found["aws_storage_expire_days"]) == (True, 400)
    assert found["broker_redirect_uri"] == "http://127.0.0.1:8080/" and found["broker_account"] == "XX00000"


def test_a_list_of_hosts_that_differs_is_kept_aside(place: Path) -> None:
    write(place)
    assert not (place / "aws_ec2.yml.bak").exists()
    file = place / "aws_ec2.yml"
    file.write_text(file.read_text("utf-8") + "# mine\n", encoding="utf-8")

    write(place)

    assert "# mine" in (place / "aws_ec2.yml.bak").read_text("utf-8")
    assert "# mine" not in file.read_text("utf-8")


def test_each_list_of_hosts_that_was_edited_is_kept_aside(place: Path) -> None:
    write(place)
    file = place / "aws_ec2.yml"
    for number in range(3):
        file.write_text(file.read_text("utf-8") + f"# mine, {number}\n", encoding="utf-8")
        write(place)

    kept = sorted(path.name for path in place.glob("*.bak*"))
    assert kept == ["aws_ec2.yml.bak", "aws_ec2.yml.bak.2", "aws_ec2.yml.bak.3"]
    assert [f"mine, {number}" in (place / name).read_text("utf-8") for number, name in enumerate(kept)] == [True] * 3


def test_what_the_account_cannot_have_is_written_as_left_out_and_comes_back_with_the_right_to_it(place: Path) -> None:
    write(place)
    missing = {"aws_functions_page_concurrency": "Too few.", "aws_watch_budget_dollars": "No right."}
    file = place / "group_vars/all.yml"

    configure.write(ANSWERS, place, ACCOUNT, place.parent / "key", left_out=missing)
    found = yaml.safe_load(file.read_text("utf-8"))
    assert (found["aws_functions_page_concurrency"], found["aws_watch_budget_dollars"]) == (0, 0)
    assert "# Too few." in file.read_text("utf-8") and "cap_dollars" not in configure.read_known(place)

    assert yaml.safe_load(write(place))["aws_watch_budget_dollars"] == 20


def test_the_login_on_the_phone_is_the_eleventh_question_and_its_redirect_address_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configure, "QUESTIONS", tuple(replace(one, check=lambda *_: None) for one in QUESTIONS))
    asked: list[str] = []
    said: list[str] = []

    def ask(text: str, default: str) -> str:
        asked.append(text)
        return default

    first = configure.ask_all(ask, said.append)
    again = configure.ask_all(ask, said.append, known={**ANSWERS, "redirect_uri": "https://example.com/back"})

    assert len(asked) == 2 * 11 and "client ID" in asked[10]
    assert (first["redirect_uri"], again["redirect_uri"]) == ("http://127.0.0.1:8080/", "https://example.com/back")
    assert [line.partition(": ")[2] for line in said] == [first["redirect_uri"], again["redirect_uri"]]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("client_id", "me@example.com", "client ID"),
        ("redirect_uri", "nowhere", "API dashboard"),
        ("source", "2001:db8::/32", "203.0.113.7/32"),
    ],
)
def test_wrong_answers_are_refused(key: str, value: str, said: str) -> None:
    [question] = [one for one in QUESTIONS if one.key == key]

    with pytest.raises(ConfigError, match=said):
        question.check(value, ANSWERS)


@pytest.mark.parametrize("value", ["203.0.113.7/32", "2001:db8::7/128", "203.0.113.7/32,2001:db8::/56"])
def test_addresses_of_both_kinds_are_let_in(value: str) -> None:
    [question] = [one for one in QUESTIONS if one.key == "source"]

    question.check(value, ANSWERS)


def test_what_is_no_yaml_is_refused_and_left(place: Path) -> None:
    (place / "group_vars").mkdir(parents=True)
    (place / "group_vars/all.yml").write_text("a: [\n")

    with pytest.raises(ConfigError, match=r"all\.yml is not YAML"):
        write(place)
    assert variables.blocks("# a\nb: 1\n# end\n") == {"b": "# a\nb: 1\n", "": "# end\n"}
