"""The exchange's README against the code."""

import json
import re
from typing import get_args

import pytest

from exchange.cli import main
from exchange.faults import Action, Fault, parse_faults


@pytest.fixture
def readme(root):
    return (root / "files" / "exchange" / "README.md").read_text()


def test_every_fault_action_and_key_is_described(readme):
    named = set(re.findall(r"`(\w+)`", readme.partition("## Fault scripts")[2].partition("## The market")[0]))
    assert set(get_args(Action)) <= named
    assert set(Fault.__struct_fields__) - {"action"} <= named


def test_the_example_script_is_accepted(readme):
    (example,) = re.findall(r"```json\n(.*?)```", readme, re.DOTALL)
    assert len(parse_faults(example, "README")) == len(json.loads(example))


def test_every_variable_of_the_environment_is_listed(readme, tmp_path):
    from exchange.environment import app_environment, client_environment
    from exchange.state import App

    names = {**client_environment({"proxy": "p", "ca": "c"}), **app_environment(App.invent(), tmp_path)}
    assert all(f"`{name}`" in readme for name in names)


def test_the_named_options_exist(readme, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    known = ""
    for command in ("serve", "run", "token", "fault", "log", "sockets", "replay"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known += capsys.readouterr().out
    assert set(re.findall(r"(?<![-\w])(--[a-z][a-z-]*)", readme)) <= set(re.findall(r"(--[a-z-]+)", known))
