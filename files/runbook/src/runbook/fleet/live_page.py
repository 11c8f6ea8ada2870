"""live: a host's live page here; each connection of the browser is a command on the host, over the shared ssh."""

import json
import socket
import subprocess
from contextlib import closing, suppress
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import PROGRAM
from runbook.fleet.tunnel import LOOPBACK

ATTACH = [PROGRAM, "live", "--attach"]
LOOK = b"GET /state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
WELL = b"HTTP/1.1 200 "


def prove(host: Host) -> dict[str, Any]:
    """The page's state, asked for once. HarvesterError with the host's own words where it has none."""
    done = SshConnection(host).run(ATTACH, given=LOOK, timeout_seconds=60)
    with suppress(ValueError):
        if done.stdout.startswith(WELL):
            return dict(json.loads(done.stdout.partition(b"\r\n\r\n")[2]))
    said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())[:300]
    raise HarvesterError(
        f"{host.name} serves no live page ({said or 'no message'}). `./inv logs --unit harvester-live` says why; a"
        " release of before has none: `./inv deploy`."
    )


def listen(port: int) -> socket.socket:
    """On this machine's loopback. ConfigError for a port that cannot be had."""
    if not 1 <= port <= 65535:
        raise ConfigError(f"There is no port {port}: ports are 1 to 65535.")
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be listened on here ({error.strerror}). Give another one: --here PORT."
        ) from error


def relay(host: Host, listening: socket.socket) -> None:
    """Hand each connection to an ssh of its own, until interrupted, which ends them all."""
    running: list[subprocess.Popen[bytes]] = []
    command = SshConnection(host).argv(ATTACH)
    try:
        while True:
            connection, _ = listening.accept()
            with closing(connection):
                running = [each for each in running if each.poll() is None]
                # What goes wrong is seen on the page, which says for how long there was no answer.
                running.append(
                    subprocess.Popen(
                        command, stdin=connection.fileno(), stdout=connection.fileno(), stderr=subprocess.DEVNULL
                    )
                )
    finally:
        for each in running:
            with suppress(ProcessLookupError):
                each.terminate()
            each.wait()
