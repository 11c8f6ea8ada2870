"""The inventory as operators' tasks read it: templates rendered, mistakes explained."""

import subprocess
from pathlib import Path

import pytest

from harvester.base.errors import ConfigError
from runbook.fleet.inventory import ask_ansible, load_hosts

HOSTS = """
harvesters:
  vars:
    ansible_user: ubuntu
    ansible_ssh_private_key_file: "{{ inventory_dir }}/keys/id"
    ansible_ssh_common_args: -o UserKnownHostsFile={{ inventory_dir }}/known -o "ProxyCommand=nc %h %p"
    harvester_settings: {symbols: [NSE:SBIN-EQ], broker: {app_id: "{{ lookup('file', inventory_dir ~ '/app') }}"}}
  hosts:
    h1: {ansible_host: 192.0.2.1}
    h2: {ansible_host: 192.0.2.2, ansible_port: 2222, ansible_user: admin}
"""


def write(folder: Path, text: str) -> str:
    (folder / "inv").mkdir(exist_ok=True)
    (folder / "inv" / "hosts.yml").write_text(text)
    return "inv"


def test_templates_and_lookups_are_rendered(tmp_path: Path) -> None:
    where = write(tmp_path, HOSTS)
    (tmp_path / "inv" / "app").write_text("ABCDE12345-100")

    first, second = load_hosts(tmp_path, where)

    assert (first.name, first.address, first.port, first.user) == ("h1", "192.0.2.1", None, "ubuntu")
    assert (second.address, second.port, second.user) == ("192.0.2.2", 2222, "admin")
    assert first.key_file == tmp_path / "inv" / "keys" / "id"
    assert first.ssh_arguments == ("-o", f"UserKnownHostsFile={tmp_path}/inv/known", "-o", "ProxyCommand=nc %h %p")
    assert first.settings["broker"]["app_id"] == "ABCDE12345-100"


def test_callbacks_that_a_person_has_enabled_write_around_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "ansible.posix.profile_tasks")
    where = write(tmp_path, HOSTS)
    (tmp_path / "inv" / "app").write_text("ABCDE12345-100")

    assert [host.name for host in load_hosts(tmp_path, where)] == ["h1", "h2"]


def test_a_limit_that_matches_no_host_is_named(tmp_path: Path) -> None:
    where = write(tmp_path, HOSTS)

    with pytest.raises(ConfigError, match="no host matching 'h9'"):
        load_hosts(tmp_path, where, "h9")


def test_a_group_without_hosts_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\./inv demo"):
        load_hosts(tmp_path, write(tmp_path, "all: {hosts: {h1: {}}}\n"))


def test_an_inventory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no inventory at"):
        load_hosts(tmp_path, "inventory/typo")


def test_a_template_that_cannot_be_rendered_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not read inv"):
        load_hosts(tmp_path, write(tmp_path, HOSTS))


def test_a_quote_that_is_not_closed_is_named_with_its_host(tmp_path: Path) -> None:
    mistake = 'ansible_ssh_extra_args: -o "ProxyCommand=nc'
    where = write(tmp_path, f"harvesters:\n  hosts:\n    h7:\n      {mistake}\n")

    with pytest.raises(ConfigError, match=r"SSH arguments of h7 .* cannot be read"):
        load_hosts(tmp_path, where)


@pytest.mark.parametrize(
    ("stated", "why", "said"),
    [
        (None, " \n", "Ansible could not read the default inventory of ansible.cfg: no reason given. Look at it with"),
        ("inv", "x" * 600 + "y", f"Ansible could not read inv: {'x' * 600}. Look at it with"),
        (
            "inv",
            "x Failed to describe instances: An error occurred (SomethingNew) when calling the Act operation: of it"
            " <<< caused by it",
            "AWS does not list the hosts of inv. AWS refused Act with SomethingNew: of it.",
        ),
    ],
)
def test_an_inventory_that_ansible_cannot_read_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stated: str | None, why: str, said: str
) -> None:
    def run(words: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(words, 1, "", why)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ConfigError) as caught:
        ask_ansible(tmp_path, stated, None, "harvesters", ("ansible_host",))

    assert str(caught.value).startswith(said)
