"""How Ansible is asked and run: the order of its arguments, and each way in which it says no."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester.base.errors import ConfigError
from runbook.fleet import inventory, playbook
from runbook.fleet.inventory import ask_ansible, load_hosts, require_inventory
from runbook.fleet.playbook import PlaybookError, Target, command, run

Fake = Callable[..., list[list[str]]]


def answer(**hosts: Any) -> str:
    """What the debug module says of each host; a text is the message of one that failed."""
    rows = {
        name: {"msg": said, "failed": True} if isinstance(said, str) else {"msg": said} for name, said in hosts.items()
    }
    return "a warning of somebody's\n" + json.dumps({"plays": [{"tasks": [{"hosts": rows}]}]})


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Let Ansible answer so; the commands that it was given."""

    def make(stdout: str = "", stderr: str = "", code: int = 0) -> list[list[str]]:
        asked: list[list[str]] = []

        def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
            asked.append(command)
            return subprocess.CompletedProcess(command, code, stdout, stderr)

        monkeypatch.setattr(inventory.subprocess, "run", run)
        monkeypatch.setattr(inventory, "program", lambda name: name)
        return asked

    return make


def test_the_group_is_asked_of_the_named_inventory_within_the_limit(ansible: Fake, tmp_path: Path) -> None:
    asked = ansible(answer(h1={"a": 1}))

    assert ask_ansible(tmp_path, "inventory/x", "h1:h2", "harvesters", ("a", "b")) == {"h1": {"a": 1}}
    [words] = asked
    assert words[:4] == ["ansible", "harvesters", "--module-name", "ansible.builtin.debug"]
    assert json.loads(words[5]) == {"msg": "{{ {'a': a | default(none), 'b': b | default(none)} }}"}
    assert words[6:] == ["--inventory", "inventory/x", "--limit", "h1:h2"]
    ask_ansible(tmp_path, None, None, "harvesters", ())
    assert asked[1][6:] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stdout": answer(h1={}, h2="'app' is undefined"), "code": 2}, "h2: 'app' is undefined"),
        ({"stdout": answer(h1={}, h2="no file"), "code": 0}, "h2: no file"),
        ({"stdout": answer(h1={}), "stderr": "killed", "code": 250}, "killed"),
        (
            {"stdout": answer(h1={}), "stderr": "[WARNING]: Unable to parse /x/hosts.yml"},
            "Unable to parse /x/hosts.yml",
        ),
        ({"stdout": "nothing that is JSON", "code": 1}, "nothing that is JSON"),
        ({"stderr": "ERROR: no such option", "code": 2}, "ERROR: no such option"),
        ({}, "no reason given"),
    ],
)
def test_each_refusal_is_told_with_the_inventory_and_never_taken_for_an_answer(
    ansible: Fake, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    ansible(**given)

    with pytest.raises(ConfigError) as refused:
        ask_ansible(tmp_path, "inv", None, "harvesters", ("a",))

    assert str(refused.value).startswith("Ansible could not read inv: ") and said in str(refused.value)


def test_a_cloud_that_does_not_list_its_hosts_hides_no_other_group(ansible: Fake, tmp_path: Path) -> None:
    silent = "Failed to describe instances: Could not connect to the endpoint URL\nUnable to parse /x/aws_ec2.yml"
    ansible(answer(localhost={"a": 1}), stderr=silent)

    with pytest.raises(ConfigError, match=r"^AWS does not list the hosts of inv\. .*Could not connect"):
        ask_ansible(tmp_path, "inv", None, "harvesters", ("a",))
    assert ask_ansible(tmp_path, "inv", None, "localhost", ("a",)) == {"localhost": {"a": 1}}
    ansible(answer(localhost={"a": 1}), stderr="Unable to parse /x/hosts.yml")
    with pytest.raises(ConfigError):
        ask_ansible(tmp_path, "inv", None, "localhost", ("a",))


@pytest.mark.parametrize(
    "words", ["Could not match supplied host pattern, ignoring: h9", "no hosts matched... no hosts match"]
)
def test_a_pattern_without_hosts_is_an_answer(ansible: Fake, tmp_path: Path, words: str) -> None:
    ansible(stderr=words)

    assert ask_ansible(tmp_path, "inv", "h9", "harvesters", ("a",)) == {}


@pytest.mark.parametrize(("limit", "said"), [(None, "no host in its group"), ("h9", "no host matching 'h9'")])
def test_no_host_is_told_by_what_was_asked(ansible: Fake, tmp_path: Path, limit: str | None, said: str) -> None:
    ansible(stderr="Could not match supplied host pattern")

    with pytest.raises(ConfigError, match=said):
        load_hosts(tmp_path, "h1,h2", limit)


def test_a_list_of_hosts_is_no_path(tmp_path: Path) -> None:
    require_inventory(tmp_path, "h1,")
    require_inventory(tmp_path, None)
    with pytest.raises(ConfigError, match=f"no inventory at {tmp_path}/h1"):
        require_inventory(tmp_path, "h1")


NOTHING: dict[str, Any] = dict.fromkeys((*inventory.CONNECTION_VARIABLES, *inventory.OPERATOR_VARIABLES))


def test_a_host_is_reached_as_its_inventory_says(ansible: Fake, tmp_path: Path) -> None:
    stated = {
        "ansible_host": "192.0.2.7", "ansible_port": "2222", "ansible_user": "ubuntu",
        "ansible_ssh_private_key_file": "keys/id", "ansible_ssh_common_args": "-o A=1",
        "ansible_ssh_extra_args": "-o B=2", "ansible_control_path_dir": "/run/c",
        "harvester_settings": {"symbols": ["NSE:SBIN-EQ"]},
    }  # fmt: skip
    ansible(answer(h1={**NOTHING, **stated}, h2=dict(NOTHING)))

    first, second = load_hosts(tmp_path, "h1,h2")

    assert (first.name, first.address, first.port, first.user) == ("h1", "192.0.2.7", 2222, "ubuntu")
    assert (first.key_file, first.control_directory) == (tmp_path / "keys/id", Path("/run/c"))
    assert first.ssh_arguments == ("-o", "A=1", "-o", "B=2"), "the common ones first, as ssh takes the first of each"
    assert first.settings == {"symbols": ["NSE:SBIN-EQ"]}
    assert (second.address, second.port, second.key_file, dict(second.settings)) == ("h2", None, None, {})


@pytest.mark.parametrize(
    ("words", "locale"),
    [
        ({}, "C.UTF-8"),
        ({"LANG": "C"}, "C.UTF-8"),
        ({"LANG": "en_IN.UTF-8"}, None),
        ({"LC_ALL": "POSIX", "LANG": "en_IN.UTF-8"}, "C.UTF-8"),
    ],
)
def test_ansible_gets_a_locale_in_which_it_starts(
    monkeypatch: pytest.MonkeyPatch, words: dict[str, str], locale: str | None
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in words.items():
        monkeypatch.setenv(name, value)

    assert inventory.environment().get("LC_ALL") == locale


def test_a_playbook_is_run_with_each_option_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks/site.yml").touch()
    monkeypatch.setattr("runbook.fleet.playbook.program", lambda name: name)
    target = Target(tmp_path, "inventory/x", "all")

    plain = ["ansible-playbook", "playbooks/site.yml", "--inventory", "inventory/x"]
    assert command("site", Target(tmp_path)) == plain[:2]
    assert command("site", target.of(["h2", "h1"]), {"b": 1, "a": True}, check=True, tags=["t", "u"]) == [
        *plain, "--limit", "h2,h1", "--tags", "t,u", "--extra-vars", '{"a": true, "b": 1}', "--check", "--diff",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"playbooks/other\.yml does not exist"):
        command("other", target)


def failure(host: str, task: str, message: str, kind: str = "failed") -> dict[str, str]:
    return {"host": host, "task": task, "message": message, "kind": kind}


FIRST = failure("h1", "Switch", "no disk.")
STOPPED = "Playbook step stopped on h1 at «Switch»: no disk."
AGAIN = "Nothing later was done on that host. Correct the cause and run the same command again: it goes on."


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([FIRST], f"{STOPPED} {AGAIN}"),
        ([FIRST, failure("h1", "Say why", "no disk.")], f"{STOPPED} {AGAIN}"),
        ([FIRST, failure("h1", "Say why", "back on a1.")], f"{STOPPED} It ended with «Say why»: back on a1. {AGAIN}"),
        ([FIRST, failure("h2", "Look", "no link.")], f"{STOPPED} (1 more host failed, too.) {AGAIN}"),
        (
            [FIRST, failure("h2", "Look", "no link."), failure("h3", "Look", "no link.")],
            f"{STOPPED} (2 more hosts failed, too.) {AGAIN}",
        ),
        (
            [FIRST, failure("h2", "Look", "no link."), failure("h1", "Say why", "back on a1.")],
            f"{STOPPED} (1 more host failed, too.) It ended with «Say why»: back on a1. {AGAIN}",
        ),
        (
            [failure("h1", "Ask", "timed out", "unreachable"), FIRST],
            "Playbook step stopped on h1 at «Ask»: timed out. It ended with «Switch»: no disk."
            " Run `./inv doctor` to see which part of the connection is at fault.",
        ),
        ([], "Playbook step did not start properly. It said: a fault. Correct that and run the command again."),
    ],
)
def test_a_playbook_that_failed_is_told_by_its_first_failure_and_how_that_host_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: list[dict[str, str]], said: str
) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks/step.yml").touch()

    def play(_: list[str], env: dict[str, str], **__: Any) -> subprocess.CompletedProcess[str]:
        if failures:
            Path(env[playbook.FAILURE_FILE]).write_text("".join(json.dumps(each) + "\n" for each in failures))
        return subprocess.CompletedProcess([], 2, " a  fault.\n" if not failures else "")

    monkeypatch.setattr(playbook.subprocess, "run", play)

    with pytest.raises(PlaybookError) as caught:
        run("step", Target(tmp_path), quiet=True)
    assert str(caught.value) == said
