"""pull-data over a real OpenSSH server: reasons a connection fails, and kills in the middle of a transfer."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from made_lake import LakeMaker, tree
from pull_kills import kill_pulls
from throwaway_sshd import Server, running

from runbook.fleet.inventory import Host
from runbook.fleet.ssh import RemoteError
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, pull
from runbook.pull.rsync import SshTransport
from runbook.pull.store import LocalStore

MakeLake = Callable[..., LakeMaker]
KILLS = 10


def pull_over_ssh(host: Host, lake: Path, store: LocalStore) -> HostResult:
    [result] = pull([partial(SshTransport, host, str(lake))], store, Selection(raw=True))
    return result


def test_a_lake_comes_over_ssh_identical(make_lake: MakeLake, store: LocalStore, ssh_server: Server) -> None:
    lake = make_lake(days=2)

    result = pull_over_ssh(ssh_server.host(), lake.root, store)

    assert result.problems == []
    assert tree(store.lake) == tree(lake.root)


def test_a_path_with_blanks_and_quotes_is_no_command(
    make_lake: MakeLake, store: LocalStore, ssh_server: Server
) -> None:
    lake = make_lake(days=1)
    odd = lake.root.parent / "it's $(touch here); a lake"
    lake.root.rename(odd)

    result = pull_over_ssh(ssh_server.host(), odd, store)

    assert result.problems == []
    assert tree(store.lake) == tree(odd)


def test_what_is_no_file_on_the_host_is_passed_over(make_lake: MakeLake, store: LocalStore, ssh_server: Server) -> None:
    lake = make_lake(days=1)
    wanted = tree(lake.root)
    (lake.root / "link").symlink_to("nowhere")

    result = pull_over_ssh(ssh_server.host(), lake.root, store)

    assert result.problems == []
    assert tree(store.lake) == wanted


def test_a_file_that_is_gone_on_the_host_is_named(make_lake: MakeLake, store: LocalStore, ssh_server: Server) -> None:
    lake = make_lake(days=1)
    next(lake.root.glob("depth_v3/*/*/*")).unlink()

    result = pull_over_ssh(ssh_server.host(), lake.root, store)

    assert [problem.path.split("/")[0] for problem in result.problems] == ["depth_v3"]
    assert "it is not there" in result.problems[0].why


def test_a_file_longer_than_promised_is_refused_over_ssh(
    make_lake: MakeLake, store: LocalStore, ssh_server: Server
) -> None:
    lake = make_lake(days=1)
    victim = next(lake.root.glob("raw/*/*/*"))
    victim.write_bytes(victim.read_bytes() + b"x" * 5_000_000)

    result = pull_over_ssh(ssh_server.host(), lake.root, store)

    assert [problem.path.split("/")[0] for problem in result.problems] == ["raw"]


def test_a_host_without_a_lake_says_so(store: LocalStore, ssh_server: Server, tmp_path: Path) -> None:
    result = pull_over_ssh(ssh_server.host(), tmp_path / "nothing", store)

    assert "no readable lake" in result.problems[0].why


def test_a_wrong_key_is_named_as_such(store: LocalStore, ssh_server: Server, tmp_path: Path, control: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    host = replace(ssh_server.host(), key_file=tmp_path / "other", control_directory=control)

    result = pull_over_ssh(host, tmp_path, store)

    assert "does not accept this user and key" in result.problems[0].why
    assert "ansible_ssh_private_key_file" in result.problems[0].why


def test_a_missing_key_is_named_as_such(store: LocalStore, ssh_server: Server, tmp_path: Path) -> None:
    host = replace(ssh_server.host(), key_file=tmp_path / "nowhere")

    result = pull_over_ssh(host, tmp_path, store)

    assert "no such file" in result.problems[0].why


def test_an_unknown_host_key_is_refused(store: LocalStore, ssh_server: Server, tmp_path: Path, control: Path) -> None:
    arguments = ("-F", "none", "-o", f"UserKnownHostsFile={tmp_path}/none", "-o", "StrictHostKeyChecking=yes")
    host = replace(ssh_server.host(), ssh_arguments=arguments, control_directory=control)

    result = pull_over_ssh(host, tmp_path, store)

    assert "host key is not known" in result.problems[0].why


def test_a_host_that_is_down_is_named_with_the_way_out(
    store: LocalStore, ssh_server: Server, tmp_path: Path, control: Path
) -> None:
    host = replace(ssh_server.host(), port=1, control_directory=control)

    result = pull_over_ssh(host, tmp_path, store)

    assert "nothing listens on its SSH port" in result.problems[0].why


@pytest.mark.long  # in a normal run the suite lab does so on booted hosts
def test_ten_kills_at_random_moments_end_as_one_uninterrupted_pull(
    make_lake: MakeLake, store: LocalStore, ssh_server: Server, figure: Callable[..., None]
) -> None:
    lake = make_lake(days=3, raw_bytes=9_000_000)

    outcome = kill_pulls(ssh_server.host(), str(lake.root), tree(lake.root), store, KILLS, seed=20261122)

    figure("pull_kills", outcome.kills, bound=f">= {KILLS}", unit="kills", gate=True)
    figure("pull_half_files_under_final_names", outcome.half_files, bound="== 0", unit="files", gate=True)
    figure("pull_files_different_after_kills", outcome.different, bound="== 0", unit="files", gate=True)
    assert outcome.partial_left == 0


def test_a_login_shell_that_talks_is_named_and_no_traceback(
    make_lake: MakeLake, store: LocalStore, tmp_path: Path
) -> None:
    """As a .bashrc with an echo does: its words come before the answer."""
    lake = make_lake(days=1)

    with running(tmp_path, 'echo "Welcome to this host!"; eval "$SSH_ORIGINAL_COMMAND"') as server:
        result = pull_over_ssh(server.host(), lake.root, store)

    assert "must be silent" in result.problems[0].why


def test_a_host_without_rsync_says_what_to_do(make_lake: MakeLake, store: LocalStore, tmp_path: Path) -> None:
    lake = make_lake(days=1)

    with running(tmp_path, 'PATH=/nowhere; eval "$SSH_ORIGINAL_COMMAND"') as server:
        result = pull_over_ssh(server.host(), lake.root, store)

    assert "rsync is not installed there" in result.problems[0].why
    assert "site.yml" in result.problems[0].why


def test_a_laptop_without_rsync_says_what_to_do(
    store: LocalStore, ssh_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RemoteError, match="rsync is not installed on this machine"):
        SshTransport(ssh_server.host(), str(tmp_path)).list_files()
