"""rotate-ssh-key against a real SSH server: the new key is proven before the old one goes."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit
from throwaway_sshd import Server

from harvester.base.errors import ConfigError
from runbook.fleet import keys
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import PlaybookError, Target
from runbook.fleet.ssh import SshConnection, UnreachableError
from runbook.tasks import hosts as tasks

TARGET = Target(Path("/nowhere"))


@pytest.fixture
def host(ssh_server: Server, tmp_path: Path, control: Path) -> Host:
    """The server with a copy of its key that may be rotated, without touching the one other tests use."""
    key = tmp_path / "id"
    shutil.copy(ssh_server.key, key)
    return replace(ssh_server.host(), key_file=key, control_directory=control)


class Playbook:
    """Does to authorized_keys what the playbook does; fails where told."""

    def __init__(self, authorized: Path, *, fail_on: str = "") -> None:
        self.authorized, self.fail_on, self.done = authorized, fail_on, []
        self.before = authorized.read_text()

    def __call__(self, name: str, target: Target, variables: Mapping[str, Any]) -> None:
        [(action, key)] = variables.items()
        if action.endswith(self.fail_on or "never"):
            raise PlaybookError("stopped")
        self.done.append(action)
        lines = self.authorized.read_text().splitlines()
        material = key.split()[1]
        lines = [*lines, key] if action.endswith("add") else [line for line in lines if material not in line]
        self.authorized.write_text("\n".join(lines) + "\n")


@pytest.fixture
def playbook(ssh_server: Server, monkeypatch: pytest.MonkeyPatch) -> "Playbook":
    played = Playbook(ssh_server.key.with_name("authorized_keys"))
    monkeypatch.setattr(keys, "run", played)
    yield played
    played.authorized.write_text(played.before)


def works(host: Host, key: Path) -> bool:
    alone = replace(host, key_file=key, ssh_arguments=("-o", "ControlPath=none", *host.ssh_arguments))
    try:
        return SshConnection(alone).run(["true"]).returncode == 0
    except UnreachableError:
        return False


def test_the_key_is_replaced_and_the_old_one_is_refused(host: Host, playbook: Playbook, tmp_path: Path) -> None:
    assert host.key_file is not None
    old = tmp_path / "old"
    shutil.copy(host.key_file, old)

    keys.rotate([host], TARGET)

    assert playbook.done == ["rotate_ssh_key_add", "rotate_ssh_key_remove"]
    assert works(host, host.key_file)
    assert not works(host, old)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("id")) == ["id", "id.pub"]
    assert host.key_file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "id.pub").read_text() == keys.public_key(host.key_file) + "\n"


def test_a_key_the_host_does_not_take_leaves_everything_as_it_was(
    host: Host, playbook: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.key_file is not None
    before = host.key_file.read_bytes()
    monkeypatch.setattr(keys, "run", lambda *_: None)

    with pytest.raises(UnreachableError):
        keys.rotate([host], TARGET)

    assert host.key_file.read_bytes() == before
    assert works(host, host.key_file)


def test_one_host_of_two_that_does_not_take_the_key_keeps_the_old_one_on_both(host: Host, playbook: Playbook) -> None:
    assert host.key_file is not None
    before = host.key_file.read_bytes()
    away = replace(host, name="h2", port=1)  # nothing listens on port 1

    with pytest.raises(UnreachableError, match="h2"):
        keys.rotate([host, away], TARGET)

    assert host.key_file.read_bytes() == before
    assert playbook.done == ["rotate_ssh_key_add"]


def test_the_new_key_is_tried_even_where_the_inventory_keeps_a_connection_open(
    host: Host, playbook: Playbook, monkeypatch: pytest.MonkeyPatch, control: Path
) -> None:
    kept = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={control}/own")
    connected = replace(host, ssh_arguments=(*kept, *host.ssh_arguments))
    assert SshConnection(connected).run(["true"]).returncode == 0
    assert (control / "own").is_socket()
    monkeypatch.setattr(keys, "run", lambda *_: None)  # the host never gets the new key

    try:
        with pytest.raises(UnreachableError):
            keys.rotate([connected], TARGET)
    finally:
        subprocess.run(["ssh", *kept, "-O", "exit", host.address], capture_output=True, check=True)


def test_an_interruption_between_the_two_keys_leaves_one_that_logs_in(
    host: Host, playbook: Playbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    assert host.key_file is not None
    monkeypatch.setattr(Path, "replace", interrupted)

    with pytest.raises(KeyboardInterrupt):
        keys.rotate([host], TARGET)

    assert works(host, host.key_file)


def test_an_old_key_that_could_not_be_removed_is_swept_by_the_next_run(host: Host, playbook: Playbook) -> None:
    assert host.key_file is not None
    playbook.fail_on = "remove"
    with pytest.raises(PlaybookError):
        keys.rotate([host], TARGET)
    assert len(keys.former_keys(host.key_file)) == 1
    assert works(host, host.key_file)

    playbook.fail_on = ""
    keys.rotate([host], TARGET)

    assert keys.former_keys(host.key_file) == []
    assert len([line for line in playbook.authorized.read_text().splitlines() if line]) == 1


def test_hosts_without_one_common_key_are_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not name one"):
        keys.shared_key([host, replace(host, key_file=tmp_path / "other")])


@pytest.mark.parametrize("state", ["awake", "asleep"])
def test_a_host_that_is_left_out_and_has_the_same_key_is_not_locked_out(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is replaced here: h2, which never heard of the new one, would refuse every login from then on."""
    (tmp_path / "id").touch()
    chosen, other = (Host(name, name, key_file=tmp_path / "id") for name in ("h1", "h2"))
    other = replace(other, variables={"harvester_asleep": state == "asleep"})
    rotated: list[object] = []
    monkeypatch.setattr(keys, "rotate", lambda *given: rotated.append(given))
    monkeypatch.setattr(tasks, "hosts_of", lambda _, limit: [chosen] if limit == "h1" else [chosen, other])

    with pytest.raises(Exit) as ended:
        tasks.rotate_ssh_key(MockContext(), yes=True, limit="h1")

    assert ended.value.code == 2
    assert rotated == []
    assert f"h2 logs in with {tmp_path / 'id'} as well, and would be locked out" in str(ended.value.message)


def test_a_host_that_is_left_out_and_has_a_key_of_its_own_is_nobodys_concern(tmp_path: Path) -> None:
    (tmp_path / "id").touch()
    chosen, other = (Host(name, name, key_file=tmp_path / key) for name, key in (("h1", "id"), ("h2", "other")))

    keys.refuse_others([chosen], [chosen, other])
