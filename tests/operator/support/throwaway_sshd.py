"""A throw-away SSH server on loopback: its own keys, its own port, this user alone.

Where the machine has no sshd, the distribution's package is fetched and unpacked below .cache/: installed, it would
start by itself.
"""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook.fleet.inventory import Host

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "openssh-server"
PRIVILEGE_USER = "sshd"
"""Of this name there must be a user where sshd is started by root."""


@dataclass(frozen=True)
class Program:
    """An sshd: the words that start it, what its environment needs besides, and settings of where its parts lie."""

    command: tuple[str, ...]
    environment: dict[str, str]
    options: dict[str, Path]


@dataclass(frozen=True)
class Server:
    """A running server and the inventory's view of it."""

    port: int
    key: Path
    known_hosts: Path
    control: Path

    def host(self, name: str = "loop", **variables: object) -> Host:
        return Host(
            name=name,
            address="127.0.0.1",
            port=self.port,
            user=getpass.getuser(),
            key_file=self.key,
            ssh_arguments=("-F", "none", "-o", f"UserKnownHostsFile={self.known_hosts}"),
            control_directory=self.control,
            variables=variables,
        )


@contextmanager
def running(folder: Path, forced: str = "", settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start the server with keys below `folder`, and stop it at the end; the test is skipped where there is no sshd.

    `forced` is a shell command that runs instead of each one that is asked for, $SSH_ORIGINAL_COMMAND; `settings` are
    further ones of sshd_config.
    """
    program = find_program(folder)
    for name in ("host_key", "user_key"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True)
    port = _free_port()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    options = {"HostKey": folder / "host_key", "AuthorizedKeysFile": folder / "authorized_keys", "UsePAM": "no"}
    options |= {"StrictModes": "no", "PidFile": "none", "PermitRootLogin": "yes", "MaxStartups": "100"}
    options |= {"KbdInteractiveAuthentication": "no", "PasswordAuthentication": "no", "Subsystem": "sftp internal-sftp"}
    # so that bash does not take itself for a login and read the user's own, perhaps slow, start-up files
    options["SetEnv"] = "SHLVL=1"
    options |= program.options | ({"ForceCommand": forced} if forced else {}) | (settings or {})
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [*program.command, "-D", "-e", "-f", str(folder / "config"), "-p", str(port)]
    command += ["-o", "ListenAddress=127.0.0.1"]
    environment = os.environ | program.environment
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log, env=environment) as process:
        try:
            _await_banner(port, process)
            yield Server(port, folder / "user_key", folder / "known_hosts", folder / "c")
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await_banner(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the throw-away sshd did not start")


def find_program(folder: Path) -> Program:
    """The machine's own sshd, else the distribution's, unpacked; the test is skipped where neither is to be had."""
    installed = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
    if installed:
        return Program((installed,), {}, {})
    try:
        tree = CACHE if CACHE.exists() else _fetch()
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        pytest.skip(f"there is no sshd here, and openssh-server cannot be fetched: {' '.join(said.split())[-300:]}")
    libraries = sorted({str(path.parent) for path in tree.rglob("*.so.*")})
    parts = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}  # files of their own since OpenSSH 9.8
    options = {key: path for key, name in parts.items() if (path := tree / "usr/lib/openssh" / name).exists()}
    command = (*_with_privilege_user(folder), str(tree / "usr/sbin/sshd"))
    return Program(command, {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}, options)


def _fetch() -> Path:
    """Unpack openssh-server and what it needs that is not installed, none of which is installed by this."""
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as name:
        archives, tree = Path(name) / "archives", Path(name) / "tree"
        (archives / "partial").mkdir(parents=True)
        fetch = ["apt-get", "-qq", "-y", "install", "--download-only", "--no-install-recommends"]
        fetch += ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1", "openssh-server"]
        if subprocess.run(fetch, capture_output=True, check=False).returncode:  # the lists may be old, or not there yet
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True, text=True, check=True)
            subprocess.run(fetch, capture_output=True, text=True, check=True)
        for package in archives.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, tree], capture_output=True, text=True, check=True)
        with suppress(OSError):  # another suite was first
            tree.rename(CACHE)
    return CACHE


def _with_privilege_user(folder: Path) -> tuple[str, ...]:
    """Words before sshd by which it sees its user, where the machine has none: another passwd for it alone."""
    if os.geteuid() != 0 or PRIVILEGE_USER in {entry.pw_name for entry in pwd.getpwall()}:
        return ()
    users = folder / "passwd"
    users.write_text(
        Path("/etc/passwd").read_text("utf-8") + f"{PRIVILEGE_USER}:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    mounting = 'mount --bind "$0" /etc/passwd && exec "$@"'
    words = ("unshare", "--mount", "sh", "-c", mounting, str(users))
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"there is no user {PRIVILEGE_USER} here, and mounts are refused: {tried.stderr.strip()}")
    return words
