"""OpenSSH as operators' tasks call it: the argument list, what is quoted, and what refusals are called."""

import contextlib
import shlex
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from throwaway_sshd import Server

from harvester.base.errors import HarvesterError
from runbook.fleet import logs
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import RemoteError, SshConnection, UnreachableError

HOST = Host("h1", "192.0.2.1", 2222, "ubuntu", Path("/keys/id"), ("-o", "UserKnownHostsFile=/k"))


@pytest.fixture
def host(control: Path) -> Host:
    return replace(HOST, control_directory=control)


def test_the_inventorys_settings_come_first_so_that_they_win(host: Host) -> None:
    argv = SshConnection(host).argv(["true"])

    assert argv[:4] == ["ssh", "-T", "-o", "UserKnownHostsFile=/k"]
    assert argv[-3:] == ["192.0.2.1", "--", "true"]
    assert {"BatchMode=yes", "IdentitiesOnly=yes", f"ControlPath={host.control_directory}/ops-%C"} <= set(argv)
    assert [argv[argv.index(flag) + 1] for flag in ("-i", "-p", "-l")] == ["/keys/id", "2222", "ubuntu"]


def test_words_reach_the_remote_shell_as_words(host: Host) -> None:
    words = ["tail", "-c", "+1", "--", "a b'; rm -rf $HOME #"]

    assert shlex.split(SshConnection(host).argv(words)[-1]) == words


def test_no_strict_host_key_checking_is_turned_off(host: Host) -> None:
    assert "StrictHostKeyChecking=no" not in " ".join(SshConnection(host).argv(["true"]))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("ubuntu@h1: Permission denied (publickey).", "does not accept this user and key"),
        ("Host key verification failed.", "host key is not known"),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "ssh-keygen -R 192.0.2.1",
        ),
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", "does not answer"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused", "nothing listens"),
        ("ssh: Could not resolve hostname h1: Name or service not known", "does not resolve"),
        ("@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nPermission denied (publickey).", "chmod 600"),
        ("kex_exchange_identification: read: Connection reset by peer", "Connection reset by peer"),
        ("", "without a message"),
    ],
)
def test_each_refusal_is_called_by_its_cause(host: Host, message: str, said: str) -> None:
    error = SshConnection(host).refusal(message.encode())

    assert said in str(error)
    assert "Cannot reach h1 (ubuntu@192.0.2.1:2222)" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o740, 0o710, 0o704, 0o701])
def test_a_control_directory_that_others_may_write_is_not_used(host: Host, control: Path, mode: int) -> None:
    control.chmod(mode)

    with pytest.raises(RemoteError, match="may be written by others"):
        SshConnection(host).argv(["true"])


def test_the_path_of_the_connections_socket_stays_short_enough(host: Host, tmp_path: Path) -> None:
    argv = SshConnection(replace(host, control_directory=tmp_path / ("long" * 20))).argv(["true"])

    [path] = [word.removeprefix("ControlPath=") for word in argv if word.startswith("ControlPath=")]
    Path(path).parent.rmdir()
    assert len(path.replace("%C", "0" * 40)) + 17 <= 107


def test_a_command_that_does_not_end_on_a_host_that_is_gone_is_told_as_such(host: Host) -> None:
    """As over a shared connection whose host went away: it hangs for a minute before ssh sees it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        gone = replace(host, address="127.0.0.1", port=mute.getsockname()[1], key_file=None)
        connection = SshConnection(replace(gone, ssh_arguments=("-F", "none", "-o", "ConnectTimeout=2")))

        with pytest.raises(UnreachableError, match="it does not answer"):
            connection.run(["true"], timeout_seconds=0.5)


def test_a_command_that_does_not_end_on_a_host_that_answers_is_told_as_slow(ssh_server: Server) -> None:
    with pytest.raises(RemoteError, match="did not finish `sleep 30` within 0 s") as caught:
        SshConnection(ssh_server.host()).run(["sleep", "30"], timeout_seconds=0.4)

    assert not isinstance(caught.value, UnreachableError)


def test_the_journal_is_asked_for_by_unit_and_lines_or_time() -> None:
    assert logs.command(None, 50, None, follow=True)[-5:] == ["--unit", "harvester-*", "--lines", "50", "--follow"]
    assert logs.command("harvester-recorder", 50, "-1h", follow=False)[-4:] == [
        "--unit",
        "harvester-recorder",
        "--since",
        "-1h",
    ]


@pytest.mark.parametrize(("words", "said"), [("true", ""), ("false", "ended with 1"), ("exit 3", "ended with 3")])
@pytest.mark.parametrize("hosts", [1, 2])
def test_a_journal_that_cannot_be_read_is_an_error_of_the_command(
    ssh_server: Server, control: Path, words: str, said: str, hosts: int
) -> None:
    asked = [replace(ssh_server.host(), control_directory=control, name=f"h{number}") for number in range(hosts)]
    refusal = pytest.raises(HarvesterError, match=said) if said else contextlib.nullcontext()

    with refusal:
        logs.show(asked, ["sh", "-c", words], follow=False)
