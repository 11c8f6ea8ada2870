"""sd_notify over a real datagram socket."""

import socket
from pathlib import Path

import pytest

from harvester.base.systemd import Notifier


def receive(address: str, talk: bool = True) -> list[str]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + address[1:] if address.startswith("@") else address)
        server.settimeout(2)
        notifier = Notifier(address)
        notifier.ready("started")
        notifier.alive("recording")
        notifier.stopping("stopping")
        notifier.close()
        return [server.recv(4096).decode() for _ in range(3)]


EXPECTED = ["READY=1\nSTATUS=started", "WATCHDOG=1\nSTATUS=recording", "STOPPING=1\nSTATUS=stopping"]


def test_states_arrive_in_order(tmp_path: Path) -> None:
    assert receive(str(tmp_path / "notify")) == EXPECTED


def test_abstract_addresses_work() -> None:
    assert receive(f"@harvester-test-{id(object())}") == EXPECTED


def test_the_address_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))

        Notifier().ready("x")

        assert server.recv(100) == b"READY=1\nSTATUS=x"


def test_without_systemd_or_with_its_socket_gone_nothing_happens(tmp_path: Path) -> None:
    for notifier in (Notifier(""), Notifier(str(tmp_path / "missing"))):
        notifier.ready("x")
        notifier.alive("x")
        notifier.close()
