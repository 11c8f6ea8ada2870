"""A throw-away SSH server on loopback: its own keys, its own port, this user alone."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook.fleet.inventory import Host

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))


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
def running(folder: Path) -> Iterator[Server]:
    """Start the server with keys below `folder`, and stop it at the end."""
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
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [str(PROGRAM), "-D", "-e", "-f", str(folder / "config"), "-p", str(port), "-o", "ListenAddress=127.0.0.1"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
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
