"""tunnel: a port of a host's own loopback, here, for as long as the command runs."""

import socket
import subprocess

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import REFUSED, SshConnection

LOOPBACK = "127.0.0.1"
CLOSED = "administratively prohibited"
"""What OpenSSH says of a port that the server does not forward (PermitOpen, AllowTcpForwarding)."""


def command(host: Host, port: int, local_port: int) -> list[str]:
    """The ssh that forwards; a connection of its own, which ends with it."""
    words = SshConnection(host).argv([])[:-2]  # without the end of the options and a command
    own = [
        "-N",
        "-o",
        "ControlPath=none",
        "-o",
        "ExitOnForwardFailure=yes",
        "-L",
        f"{LOOPBACK}:{local_port}:{LOOPBACK}:{port}",
    ]
    return [words[0], *own, *words[1:]]


def open_tunnel(host: Host, port: int, local_port: int) -> "subprocess.Popen[bytes]":
    """Returns when the port is open here. ConfigError for a port that is in use, HarvesterError when ssh ends."""
    for number in (port, local_port):
        if not 1 <= number <= 65535:
            raise ConfigError(f"There is no port {number}: ports are 1 to 65535.")
    if is_open(local_port):
        raise ConfigError(f"Port {local_port} is in use on this machine. Give another one: --here PORT.")
    connection = SshConnection(host)
    connection.check_key()
    process = subprocess.Popen(
        command(host, port, local_port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while not is_open(local_port):
        try:
            code = process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        said = process.stderr.read() if process.stderr else b""
        if code == REFUSED:
            raise connection.refusal(said)
        raise HarvesterError(
            f"ssh to {host.name} ended with {code}: {said.decode(errors='replace').strip()}. Run it again."
        )
    return process


def follow(host: Host, port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until ssh ends. HarvesterError when the host does not forward to that port, or the connection breaks."""
    for line in process.stderr or ():
        if CLOSED.encode() in line:
            process.terminate()
            raise HarvesterError(
                f"{host.name} forwards nothing to its port {port}. Add {port} to application_ports in the"
                " inventory, and run site.yml."
            )
    code = process.wait()
    raise HarvesterError(f"The tunnel to {host.name} ended (ssh said {code}). Run it again.")


def is_open(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
