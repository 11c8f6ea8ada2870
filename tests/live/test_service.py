"""The page's service: when it ends, which socket it takes, and the bytes between an operator and it."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from tests.live.conftest import LiveHost

from harvester.commands.live import sources_in_force
from harvester.live import server
from harvester.live.bridge import pass_on
from harvester.live.server import LiveServer, listen
from harvester.live.view import LOOK_SECONDS


def test_the_page_of_another_day_has_the_symbols_that_its_rules_stand_for_then(tmp_path: Path) -> None:
    """Its service reads them at its start, so it ends when a morning's look-up, or a second one, has come."""
    config, masters = tmp_path / "config.json", tmp_path / "masters"
    seen = [sources_in_force(config, masters)]
    for day in ("2026-11-23", "2026-11-24", "2026-11-24"):
        folder = masters / day
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "new").write_text("{}")
        (folder / "new").rename(folder / "symbols.json")
        seen.append(sources_in_force(config, masters))

    assert len(set(seen)) == 4
    assert sources_in_force(config, None) == sources_in_force(config, None) != seen[-1]
    other = tmp_path / "other.json"
    config.symlink_to(other)
    assert sources_in_force(config, masters) != seen[-1]


@pytest.mark.parametrize(
    ("idle_seconds", "is_another", "ends"), [(600, False, False), (0, False, True), (600, True, True)]
)
def test_the_service_ends_when_nobody_looks_or_what_it_has_read_is_another(
    nse: LiveHost, idle_seconds: float, is_another: bool, ends: bool
) -> None:
    stop, path, read = threading.Event(), nse.root / "page.sock", ["r1"]
    with LiveServer(listen(path), nse.begin(), stop, idle_seconds=idle_seconds, reads=lambda: read[0]) as serving:
        if is_another:
            read[0] = "r2"
        serving.service_actions()

    assert stop.is_set() == ends


def test_nobody_else_on_the_machine_may_connect_to_a_socket_of_ones_own(tmp_path: Path) -> None:
    listen(tmp_path / "page.sock").close()

    assert stat.S_IMODE((tmp_path / "page.sock").stat().st_mode) == 0o600


def test_a_journal_that_is_read_to_its_end_is_looked_at_again_after_a_while(nse: LiveHost) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def is_set(self) -> bool:
            return len(waits) == 3

        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    nse.begin().follow(Stop())

    assert waits == [LOOK_SECONDS] * 3


def test_bytes_go_both_ways_between_the_operator_and_the_page_until_the_page_ends() -> None:
    page, there = socket.socketpair()
    (source, typed), (shown, target) = os.pipe(), os.pipe()
    passing = threading.Thread(target=pass_on, args=(there, source, target))
    passing.start()
    os.write(typed, b"GET /")
    asked = page.recv(100)
    page.sendall(b"the page")
    answered = os.read(shown, 100)
    os.close(typed)
    ended = page.recv(100)
    page.close()
    passing.join(60)

    assert (asked, answered, ended, passing.is_alive()) == (b"GET /", b"the page", b"", False)
    for descriptor in (source, shown, target):
        os.close(descriptor)
    there.close()


def test_a_socket_of_systemd_is_taken_by_the_process_that_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = listen(tmp_path / "page.sock")
    monkeypatch.setattr(server, "ACTIVATED", os.dup(listening.fileno()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert server.activated() is None
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    taken = server.activated()
    assert taken and taken.getsockname() == listening.getsockname()
    taken.close()
    listening.close()
    monkeypatch.setenv("LISTEN_FDS", "2")
    assert server.activated() is None
