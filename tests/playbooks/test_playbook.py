"""Running playbooks: the argument list, mitogen, and the one paragraph that a failure becomes."""

import json
import os
from pathlib import Path

import pytest

from harvester.base.errors import ConfigError
from runbook.fleet import inventory, playbook
from runbook.fleet.playbook import PlaybookError, Target, command, environment, run

LOCAL = "{ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"
INVENTORY = f"all: {{children: {{harvesters: {{hosts: {{one: {LOCAL}}}}}}}}}\n"


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A repository with playbooks of its own and one host, which is this machine."""
    monkeypatch.setenv("ALPHA_HARVESTER_MITOGEN", "0")
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    return Target(tmp_path, inventory="hosts.yml")


def write(target: Target, name: str, tasks: str, hosts: str = "harvesters") -> None:
    head = f"- hosts: {hosts}\n  gather_facts: false\n  tasks:\n"
    body = "".join(f"    {line}\n" for line in tasks.strip().splitlines())
    (target.root / "playbooks" / f"{name}.yml").write_text(head + body)


def test_the_argument_list_names_playbook_inventory_limit_and_variables_as_json(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "restart.yml").touch()

    words = command("restart", Target(tmp_path, "inventory/aws", "h1"), {"b": [1, "x"], "a": True}, check=True)

    assert Path(words[0]).name == "ansible-playbook"
    assert words[1:6] == ["playbooks/restart.yml", "--inventory", "inventory/aws", "--limit", "h1"]
    assert words[6] == "--extra-vars"
    assert json.loads(words[7]) == {"a": True, "b": [1, "x"]}
    assert words[8:] == ["--check", "--diff"]


def test_a_playbook_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yml does not exist"):
        command("nothing", Target(tmp_path))


ONE = {"host": "h1", "task": "copy", "message": "no room for X. .", "kind": "failed"}
LATER = {"host": "h1", "task": "last", "message": "off.", "kind": "failed"}
GOES_ON = "Nothing later was done on that host. Correct the cause and run the same command again: it goes on."
NO_START, AGAIN = "Playbook x did not start properly.", "Correct that and run the command again."
DOCTOR = "Run `./inv doctor` to see which part of the connection is at fault."


@pytest.mark.parametrize(
    ("failures", "output", "said"),
    [
        ([], " \n", f"{NO_START} Its reason is printed above. {AGAIN}"),
        (
            [],
            "a" * 400 + " no\n such host",
            f"{NO_START} It said: {'a' * 387} no such host {AGAIN}",
        ),
        ([ONE], "", f"Playbook x stopped on h1 at «copy»: no room for X. {GOES_ON}"),
        ([ONE, ONE | {"task": "again"}], "", f"Playbook x stopped on h1 at «copy»: no room for X. {GOES_ON}"),
        ([ONE, LATER], "", f"Playbook x stopped on h1 at «copy»: no room for X. It ended with «last»: off. {GOES_ON}"),
        (
            [ONE, LATER | {"host": "h2"}],
            "",
            f"Playbook x stopped on h1 at «copy»: no room for X. (1 more host failed, too.) {GOES_ON}",
        ),
        (
            [ONE | {"kind": "unreachable"}, ONE | {"host": "h2"}, ONE | {"host": "h3"}],
            "",
            f"Playbook x stopped on h1 at «copy»: no room for X. (2 more hosts failed, too.) {DOCTOR}",
        ),
    ],
)  # fmt: skip
def test_a_failure_is_one_paragraph(failures: list[dict[str, str]], output: str, said: str) -> None:
    assert playbook._explain("x", failures, output) == said


def test_a_run_has_our_callback_and_is_told_nothing_of_deprecations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANSIBLE_STRATEGY", "ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_DEPRECATION_WARNINGS", playbook.MITOGEN):
        monkeypatch.delenv(name, raising=False)
    made = environment(tmp_path)
    assert made["ANSIBLE_CALLBACK_PLUGINS"] == str(playbook.CALLBACKS)
    assert made["HARVESTER_FAILURE_FILE"] == str(tmp_path)
    assert made["ANSIBLE_STRATEGY_PLUGINS"] == playbook.mitogen_strategies()
    assert made["ANSIBLE_DEPRECATION_WARNINGS"] == "false"
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", "/of/mine")
    monkeypatch.setenv("ANSIBLE_DEPRECATION_WARNINGS", "true")
    made = environment(tmp_path)
    assert made["ANSIBLE_CALLBACK_PLUGINS"] == f"{playbook.CALLBACKS}:/of/mine"
    assert made["ANSIBLE_DEPRECATION_WARNINGS"] == "true", "as the person wants it"
    monkeypatch.setenv("ANSIBLE_STRATEGY", "linear")
    assert "ANSIBLE_STRATEGY_PLUGINS" not in environment(tmp_path)


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, True),
        ({"LANG": "C"}, True),
        ({"LANG": "en_IN.UTF-8"}, False),
        ({"LC_CTYPE": "en_IN.utf8", "LANG": "C"}, False),
        ({"LC_CTYPE": "C", "LANG": "en_IN.UTF-8"}, True),
        ({"LC_ALL": "POSIX", "LC_CTYPE": "en_IN.UTF-8"}, True),
        ({"LC_ALL": "", "LC_CTYPE": "", "LANG": "en_IN.UTF-8"}, False),
    ],
)
def test_ansible_gets_a_locale_of_utf_8_where_the_persons_is_none(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], changed: bool
) -> None:
    """The one that counts is the first that is set: LC_ALL, LC_CTYPE, LANG (locale(7))."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert inventory.environment() == dict(os.environ) | ({"LC_ALL": "C.UTF-8"} if changed else {})


def test_mitogen_is_used_where_it_is_installed_and_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_STRATEGY", raising=False)
    monkeypatch.delenv("ALPHA_HARVESTER_MITOGEN", raising=False)
    assert environment(tmp_path)["ANSIBLE_STRATEGY"] == "mitogen_linear"

    monkeypatch.setenv("ALPHA_HARVESTER_MITOGEN", "0")
    assert "ANSIBLE_STRATEGY" not in environment(tmp_path)

    monkeypatch.delenv("ALPHA_HARVESTER_MITOGEN")
    monkeypatch.setattr(playbook.importlib.util, "find_spec", lambda _: None)
    assert "ANSIBLE_STRATEGY" not in environment(tmp_path)


def test_a_failure_becomes_host_task_message_and_next_step_without_what_no_log_hides(
    target: Target, capfd: pytest.CaptureFixture[str]
) -> None:
    write(
        target,
        "step",
        """
- block:
    - name: Start the release
      ansible.builtin.fail: {msg: "never ready, {{ who }}"}
  rescue:
    - name: Handle a secret
      ansible.builtin.command: /bin/sh -c 'echo s3cr3t-value >&2; exit 3'
      no_log: true
      ignore_errors: true
    - name: Say why
      ansible.builtin.fail: {msg: rolled back to the former release}
""",
    )

    with pytest.raises(PlaybookError) as caught:
        run("step", target, {"who": "friend"})

    said = str(caught.value)
    assert "Playbook step stopped on one at «Start the release»: never ready, friend" in said
    assert "It ended with «Say why»: rolled back to the former release" in said
    assert "run the same command again" in said
    assert "s3cr3t-value" not in said
    assert "Start the release" in capfd.readouterr().out, "the run itself streams to the terminal"


def test_the_failure_of_a_task_with_no_log_names_the_task_alone(tmp_path: Path) -> None:
    """Ansible censors the result before a callback gets it; this is what is left."""
    failures = [{"kind": "failed", "host": "one", "task": "Handle a secret", "message": "no message"}]

    assert "«Handle a secret»: no message" in playbook._explain("step", failures, "")


def test_an_unreachable_host_points_to_the_doctor(target: Target) -> None:
    (target.root / "hosts.yml").write_text(
        "all: {children: {harvesters: {hosts: {far: {ansible_host: 127.0.0.1, ansible_port: 1}}}}}\n"
    )
    write(target, "step", "- ansible.builtin.ping:")

    with pytest.raises(PlaybookError, match="stopped on far") as caught:
        run("step", target, quiet=True)

    assert "./inv doctor" in str(caught.value)


def test_a_playbook_with_a_fault_of_its_own_says_what_ansible_said(target: Target) -> None:
    (target.root / "playbooks" / "step.yml").write_text("- hosts: [\n")

    with pytest.raises(PlaybookError, match="did not start properly"):
        run("step", target, quiet=True)


def test_hosts_that_were_chosen_narrow_the_pattern_that_was_given() -> None:
    assert Target(Path("/r"), "inv", "harvesters").of(["h2", "h3"]) == Target(Path("/r"), "inv", "h2,h3")
