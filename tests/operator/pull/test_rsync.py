"""A lake by rsync, with the real rsync on both ends and an `ssh` that ends here: questions and failures."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.operator.pull.conftest import ALL, Lake, Steps, contents

from runbook.fleet.inventory import Host
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull import rsync as rsyncs
from runbook.pull.pull import pull
from runbook.pull.rsync import SshTransport
from runbook.pull.store import LocalStore

pytestmark = pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")


@pytest.fixture
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")


@pytest.fixture
def host(day: Lake, ssh: Path, control: Path) -> Iterator[SshTransport]:
    transport = SshTransport(Host("lab1", "192.0.2.1", user="ops", control_directory=control), str(day.root))
    yield transport
    transport.close()


def log(ssh: Path) -> list[str]:
    return (ssh.parent / "ssh.log").read_text().splitlines()


def fault(monkeypatch: pytest.MonkeyPatch, when: str, what: str) -> None:
    """Do `what` where a command matches `when`, a pattern of the shell."""
    monkeypatch.setenv("SSH_FAULT", f'case "$*" in {when}) {what} ;; esac')


def test_manifests_and_sizes_are_the_lakes(day: Lake, host: SshTransport) -> None:
    (day.root / "manifest" / "other.json").write_text("no manifest")
    (day.root / "link").symlink_to("nowhere")
    (day.root / "empty").mkdir()
    (day.root / "depth" / "empty file").touch()
    assert host.read_manifests() == {day.manifest_path(): day.read().content}
    sizes = {path: len(content) for path, content in contents(day.root).items()}
    assert host.list_files() == sizes
    assert host.host == "lab1"


def test_files_come_and_each_is_told(day: Lake, host: SshTransport, tmp_path: Path, steps: Steps) -> None:
    files = [day.entry(kind) for kind in ("depth", "raw", "gaps")]
    found = [*host.fetch(files, tmp_path / "deep" / "to", steps)]
    assert sorted(file.path for file, _ in found) == sorted(file.path for file in files)
    assert {error for _, error in found} == {None}
    there = contents(day.root)
    assert contents(tmp_path / "deep" / "to") == {file.path: there[file.path] for file in files}
    assert sorted(steps.files) == sorted(file.path for file in files)
    assert steps.count == sum(file.bytes for file in files)


def test_a_file_is_continued_where_it_ended(day: Lake, host: SshTransport, tmp_path: Path, steps: Steps) -> None:
    content = os.urandom(300_000)
    day.change("raw", content)
    day.reseal()
    begun = tmp_path / day.path("raw")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(content[:200_000])
    assert [*host.fetch([day.entry("raw")], tmp_path, steps)] == [(day.entry("raw"), None)]
    assert begun.read_bytes() == content
    assert steps.count == 100_000


def test_a_whole_pull_by_rsync(day: Lake, host: SshTransport, store: LocalStore) -> None:
    [result] = pull([lambda: host], store, ALL)
    assert (result.problems, result.dates) == ([], ["2026-11-17"])
    assert contents(store.lake) == contents(day.root)


def test_a_file_that_cannot_be_read_is_named_and_the_others_come(
    day: Lake, host: SshTransport, tmp_path: Path, steps: Steps
) -> None:
    files = [day.entry("depth"), day.entry("raw")]
    (day.root / day.path("depth")).unlink()
    (first, fine), (second, error) = host.fetch(files, tmp_path / "to", steps)
    assert (first, fine, second) == (files[1], None, files[0])
    assert isinstance(error, RemoteError) and not isinstance(error, UnreachableError)
    assert str(error).startswith(f"lab1: {day.path('depth')} cannot be read there: rsync: ")
    assert "No such file or directory" in str(error) and day.path("raw") not in str(error)


def test_a_file_that_is_shorter_there_is_not_whole(day: Lake, host: SshTransport, tmp_path: Path, steps: Steps) -> None:
    entry = day.entry("depth")
    day.change("depth", b"short")
    [(file, error)] = host.fetch([entry], tmp_path / "to", steps)
    assert file == entry
    assert str(error) == f"lab1: {entry.path} cannot be read there: no message."


def test_the_login_users_own_rights_are_used_where_they_suffice(
    day: Lake, host: SshTransport, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch, "test*", "exit 0")
    host.list_files()
    host.list_files()
    said = log(ssh)
    assert len([line for line in said if " test -r " in line]) == 1, "it is found out once"
    assert said[0].endswith(f"192.0.2.1 -- test -r {day.root}/manifest -a -x {day.root}/manifest")
    assert " rsync --server" in said[1] and "sudo" not in said[1]


def test_sudo_is_used_where_they_do_not(
    day: Lake, host: SshTransport, ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch, "test*", "exit 1")
    assert host.list_files().keys() == contents(day.root).keys()
    said = log(ssh)
    assert said[1].endswith(f"-- sudo -n test -r {day.root}/manifest -a -x {day.root}/manifest")
    assert " sudo -n rsync --server" in said[2]


def test_a_host_without_a_lake_says_so(day: Lake, host: SshTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch, "*test*", "exit 1")
    with pytest.raises(RemoteError) as caught:
        host.list_files()
    assert str(caught.value) == (
        f"lab1 has no readable lake at {day.root}. Either no session was closed there yet (the close job "
        f"builds it after"
        " the market), or the login user is not in group harvester and may not use sudo. `./inv status` shows the"
        " harvester's state."
    )


def test_a_machine_without_rsync_says_so(host: SshTransport, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RemoteError) as caught:
        patch.setenv("PATH", str(tmp_path))
        host.read_manifests()
    assert str(caught.value) == (
        "rsync is not installed on this machine, and a pull over SSH needs it. Install it (Debian, Ubuntu: apt-get"
        " install rsync; macOS: brew install rsync) and run the command again."
    )


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "rsync: not found",
            "lab1: rsync is not installed there. Run site.yml, whose role host_baseline installs it, or "
            "`apt-get install rsync` on the host.",
        ),
        (
            "bash: rsync: command not found",
            "lab1: rsync is not installed there. Run site.yml, whose role host_baseline installs it, or "
            "`apt-get install rsync` on the host.",
        ),
        (
            "rsync: unknown option -s",
            "lab1: the rsync here or there is too old, or another program of that name: 3.1 or newer of "
            "rsync.samba.org is needed on both sides (macOS: `brew install rsync`).",
        ),
        (
            "rsync: unrecognized option",
            "lab1: the rsync here or there is too old, or another program of that name: 3.1 or newer of "
            "rsync.samba.org is needed on both sides (macOS: `brew install rsync`).",
        ),
    ],
)
def test_a_known_failure_is_told_with_its_remedy(
    host: SshTransport, monkeypatch: pytest.MonkeyPatch, said: str, remedy: str
) -> None:
    fault(monkeypatch, "*--server*", f"echo '{said}' >&2; exit 1")
    with pytest.raises(RemoteError) as caught:
        host.list_files()
    assert str(caught.value) == remedy


def test_a_shell_that_talks_is_told(host: SshTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch, "*--server*", "echo Welcome to this host")
    with pytest.raises(RemoteError) as caught:
        host.list_files()
    assert str(caught.value) == (
        "lab1: what came over SSH is not what was asked for. Does the login shell there print something of its own"
        " (.bashrc, .profile)? It must be silent where no terminal is."
    )


def test_an_unknown_failure_is_told_as_it_was_said(
    day: Lake, host: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch, "*--server*", "echo 'the disk  is on fire' >&2; exit 1")
    with pytest.raises(RemoteError) as caught:
        host.read_manifests()
    text = str(caught.value)
    assert text.startswith(f"lab1: rsync failed on {day.root}: the disk is on fire rsync")
    assert text.endswith(". Was a session closed there already? `./inv status` shows the harvester's state.")


def test_a_fetch_that_fails_as_a_whole_is_told(
    day: Lake, host: SshTransport, tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch, "*--server*", "echo 'the disk  is on fire' >&2; exit 1")
    with pytest.raises(RemoteError, match=f"^lab1: rsync failed on {day.root}: the disk is on fire rsync"):
        [*host.fetch([day.entry("raw")], tmp_path / "to", steps)]


def test_a_host_that_refuses_is_out_of_reach(host: SshTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch, "*", "echo 'Connection refused' >&2; exit 255")
    with pytest.raises(UnreachableError, match=r"^Cannot reach lab1 \(ops@192\.0\.2\.1:22\): nothing listens"):
        host.list_files()
    assert isinstance(host._failure(255, b"Connection refused"), UnreachableError)


def test_a_disk_that_is_full_here_is_no_fault_of_the_host(host: SshTransport) -> None:
    full = host._failure(11, b"rsync: write failed on x: No space left on device (28)")
    assert isinstance(full, OSError)
    assert (full.errno, full.strerror) == (errno.ENOSPC, "No space left on device")
    assert isinstance(host._failure(11, b"rsync error"), RemoteError)
    assert isinstance(host._failure(12, b"x (28)"), RemoteError)


def test_messages_are_short_and_one_line(host: SshTransport) -> None:
    assert "no message" in str(host._failure(1, b" \n"))
    text = str(host._failure(1, b"x" * 400 + b"\xff"))
    assert "x" * 300 + "." in text and "x" * 301 not in text


@pytest.mark.parametrize(
    ("address", "named"), [("192.0.2.1", "192.0.2.1"), ("h.example", "h.example"), ("2001:db8::1", "[2001:db8::1]")]
)
def test_an_address_is_named_as_rsync_wants_it(ssh: Path, control: Path, address: str, named: str) -> None:
    host = SshTransport(Host("lab1", address, control_directory=control), "/srv/lake")
    assert (host._source(), host._source("manifest")) == (f"{named}:/srv/lake/", f"{named}:/srv/lake/manifest/")


def test_the_connection_is_ended(host: SshTransport, ssh: Path) -> None:
    host.close()
    assert log(ssh)[-1].endswith("-O exit 192.0.2.1")


def test_a_key_file_with_a_quote_is_one_word(day: Lake, ssh: Path, tmp_path: Path, control: Path) -> None:
    key = tmp_path / "it's a key"
    key.touch()
    host = SshTransport(Host("lab1", "192.0.2.1", key_file=key, control_directory=control), str(day.root))
    assert host.read_manifests().keys() == {day.manifest_path()}
    assert f"-i {key} -o" in log(ssh)[-1]


class Output:
    """A process whose output comes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        reading, writing = os.pipe()
        for piece in pieces:
            os.write(writing, piece)
        os.close(writing)
        self.stdout = os.fdopen(reading, "rb", buffering=0)
        self.waited = 0

    def wait(self) -> int:
        self.waited += 1
        return 0


def test_lines_end_with_either_sign_and_may_come_in_pieces() -> None:
    output = Output(b"one\r  5 10%\rtw", b"o\n\xff\n", b"\n", b"rest")
    assert [*rsyncs._lines(output)] == ["one", "  5 10%", "two", "\ufffd"]  # type: ignore[arg-type]


def test_steps_are_counted_from_where_a_file_began(day: Lake, tmp_path: Path, steps: Steps) -> None:
    wanted = {file.path: file for file in day.read().files}
    depth, raw = day.path("depth"), day.path("raw")
    for path in (depth, raw):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / depth).write_bytes((day.root / depth).read_bytes())
    (tmp_path / raw).write_bytes(b"12345")
    said = f">f+++ {depth}\n {day.entry('depth').bytes} 100%\n>f+++ other\n>f..t {raw}\n 3  1%\r 9  5%\r 11 9%\n"
    output = Output(said.encode())
    found = [*rsyncs._follow(output, wanted, {depth: 0, raw: 5}, tmp_path, steps)]  # type: ignore[arg-type]
    assert found == [depth], "the last one is not whole"
    assert (steps.files, steps.count, output.waited) == ([depth, raw], day.entry("depth").bytes + 6, 1)
