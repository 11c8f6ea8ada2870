"""OpenSSH as operators' tasks call it: the argument list, what is quoted, and what refusals are called."""

import contextlib
import os
import shlex
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (1, False)])
def test_the_longest_path_that_fits_is_used_and_one_longer_is_not(
    host: Host, control: Path, more: int, is_kept: bool
) -> None:
    """OpenSSH: 107 bytes, of which a socket's name takes 1 + 45 and its temporary ending 17."""
    directory = control / ("d" * (107 - 1 - 45 - 17 - len(str(control)) - 1 + more))
    words = SshConnection(replace(host, control_directory=directory)).argv(["true"])

    [path] = [word.removeprefix("ControlPath=") for word in words if word.startswith("ControlPath=")]
    assert (Path(path).parent == directory) is is_kept
    if not is_kept:
        Path(path).parent.rmdir()


def test_without_a_directory_of_the_inventory_the_sessions_own_is_used_else_that_of_temporary_files(
    host: Host, control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = replace(host, control_directory=None)
    for name, other in (("XDG_RUNTIME_DIR", "TMPDIR"), ("TMPDIR", "XDG_RUNTIME_DIR")):
        monkeypatch.setattr("tempfile.tempdir", None)
        monkeypatch.delenv(other, raising=False)
        base = control / name[0]  # paths of sockets are short
        base.mkdir()
        monkeypatch.setenv(name, str(base))
        directory = base / f"alpha-harvester-{os.getuid()}"
        assert f"ControlPath={directory}/ops-%C" in SshConnection(plain).shell()
        assert directory.stat().st_mode & 0o777 == 0o700


Ran = list[tuple[list[str], dict[str, Any]]]


def answering(monkeypatch: pytest.MonkeyPatch, *answers: int | Exception) -> Ran:
    """An ssh that ends so, one time after the other; the list fills with how it was called."""
    ran: Ran = []
    left = list(answers)

    def run(words: list[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
        ran.append((words, options))
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(words, answer, b"out", b"Connection refused")

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_a_shared_connection_is_ended_by_its_own_socket(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = answering(monkeypatch, 255)
    connection = SshConnection(host)
    connection.close()

    [(words, options)] = ran
    assert words == ["ssh", *connection.shell()[2:], "-O", "exit", "192.0.2.1"]
    assert options["timeout"] == 20 and options["capture_output"] and not options["check"]


@pytest.mark.parametrize(
    ("second", "kind", "why", "ends"),
    [
        (0, RemoteError, "did not finish `true` within 7 s", False),
        (1, RemoteError, "did not finish `true` within 7 s", False),
        (255, UnreachableError, "nothing listens on its SSH port", True),
        (subprocess.TimeoutExpired("ssh", 20), UnreachableError, "it does not answer", True),
    ],
)
def test_a_host_that_is_late_is_asked_anew_over_a_connection_of_its_own(
    host: Host, monkeypatch: pytest.MonkeyPatch, second: Any, kind: type[Exception], why: str, ends: bool
) -> None:
    ran = answering(monkeypatch, subprocess.TimeoutExpired("ssh", 7), second, 0)
    connection = SshConnection(replace(host, key_file=None))
    with pytest.raises(RemoteError, match=why) as caught:
        connection.run(["true"], given=b"in", timeout_seconds=7)

    assert type(caught.value) is kind
    (words, options), (anew, asked), *closing = ran
    assert words == connection.argv(["true"]) and (options["input"], options["timeout"]) == (b"in", 7)
    assert anew == ["ssh", "-T", "-o", "ControlPath=none", *connection.shell()[2:], "192.0.2.1", "--", "true"]
    assert (asked["stdin"], asked["timeout"]) == (subprocess.DEVNULL, 20)
    assert not options["check"] and not asked["check"] and asked["capture_output"]
    assert [words[-3:-1] for words, _ in closing] == [["-O", "exit"]] * ends


def test_a_commands_own_code_is_passed_on_and_sshs_is_a_refusal(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = answering(monkeypatch, 254, 255)
    connection = SshConnection(replace(host, key_file=None))
    done = connection.run(["false"])
    assert (done.returncode, done.stdout) == (254, b"out")
    assert (ran[0][1]["input"], ran[0][1]["timeout"]) == (b"", 120)
    with pytest.raises(UnreachableError, match="nothing listens on its SSH port"):
        connection.run(["false"])


def test_a_key_that_is_not_there_is_named_before_anything_is_asked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = answering(monkeypatch)
    for begin in (SshConnection(host).run, SshConnection(host).start):
        with pytest.raises(
            UnreachableError, match=r"^The inventory names the SSH key /keys/id for h1, and there is no"
        ):
            begin(["true"])
    assert not ran


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
