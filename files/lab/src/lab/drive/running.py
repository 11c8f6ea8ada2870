"""A stand-in of Drive for as long as it is needed, and what leads a client to it."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from exchange.certificates import ensure_certificates, server_context
from lab.drive.server import HOSTS, Api, Drive, make_server

REMOTE = "drive"


class Running(Drive):
    """One that listens. `environment` leads any client there that heeds HTTPS_PROXY."""

    environment: dict[str, str]

    def rclone_config(self, path: Path) -> None:
        """Write rclone's configuration with the remote `drive`, logged in as a person."""
        path.write_text(
            f"[{REMOTE}]\ntype = drive\nscope = drive\nclient_id = x\nclient_secret = y\ntoken = {self.login()}\n"
        )
        path.chmod(0o600)

    def login(self) -> str:
        """The token of a person, as `rclone authorize` prints it; its access token has expired."""
        expired = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
        fields = {"access_token": "old", "token_type": "Bearer", "expiry": expired}
        return json.dumps(fields | {"refresh_token": self.logins.refresh_token})


@contextmanager
def running(folder: Path, others: Mapping[str, Api] = MappingProxyType({})) -> Iterator[Running]:
    """A Drive that is empty, and others by their hosts besides it; its certificates are in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ensure_certificates(folder, (*HOSTS, *others))
    drive = Running()
    server = make_server(drive, server_context(folder), others)
    proxy, ca = f"http://127.0.0.1:{server.server_address[1]}", str(folder / "ca.pem")
    drive.environment = {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "SSL_CERT_FILE": ca,
        "NO_PROXY": "",
        "no_proxy": "",
    }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield drive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run_against(folder: Path, command: Sequence[str]) -> int:
    """Run a command, such as rclone, against a new Drive; its exit code. The remote is `drive:`."""
    with running(folder) as drive:
        config = folder / "rclone.conf"
        drive.rclone_config(config)
        environment = os.environ | drive.environment | {"RCLONE_CONFIG": str(config)}
        return subprocess.run(command, env=environment, check=False).returncode
