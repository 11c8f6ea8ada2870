"""The page's server: as a process, behind a real sshd, and what it answers whom."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.live.conftest import SBIN, LiveHost, settings_of, sockets
from tests.operator.support.throwaway_sshd import Server, running

from harvester.base.errors import ConfigError, HarvesterError
from harvester.live.bridge import connect
from harvester.live.server import activated, listen
from runbook.fleet import live_page

HARVESTER = [sys.executable, "-m", "harvester"]


class Unix(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def ask(path: Path, what: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = Unix(path)
    connection.request(method, what, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_it_answers_its_own_files_and_the_state_and_nothing_else(nse: LiveHost) -> None:
    sockets(nse)
    with nse.serving() as path:
        status, headers, body = ask(path, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8") and b"<canvas" in body
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert ask(path, "/LICENSE.lightweight-charts")[2].lstrip().startswith(b"Apache License")
        assert b"Licensed under Apache License 2.0" in ask(path, "/lightweight-charts.js")[2][:300]
        state = json.loads(ask(path, f"/state?symbol={SBIN}&like=&have=")[2])
        assert (state["host"], state["shown"]["name"]) == ("lab1", SBIN)
        assert [ask(path, what)[0] for what in ("/../server.py", "/page.html", "/state/x")] == [404, 404, 404]
        assert [ask(path, "/state", method)[0] for method in ("POST", "PUT", "DELETE")] == [501, 501, 501]


def test_a_name_of_somebody_elses_that_leads_here_is_refused(nse: LiveHost) -> None:
    with nse.serving() as path:
        names = ("127.0.0.1:8321", "localhost", "localhost:1", "evil.example", "127.0.0.1.evil.example", "", "[")
        found = [ask(path, "/state", Host=name)[0] for name in names]
        said = ask(path, "/state", Host="evil.example")[2]
    assert found == [200, 200, 200, 403, 403, 403, 403]
    assert said == b"This page answers at http://127.0.0.1 alone.\n"


def test_large_answers_are_compressed_for_who_takes_that(nse: LiveHost) -> None:
    with nse.serving() as path:
        _, headers, body = ask(path, "/lightweight-charts.js", **{"Accept-Encoding": "gzip, br"})
        assert headers["Content-Encoding"] == "gzip" and len(body) < 80_000
        assert "Content-Encoding" not in ask(path, "/lightweight-charts.js")[1]


def config_of(root: Path) -> Path:
    settings = settings_of(root)
    content = {
        "host_id": "lab1", "data_dir": str(root), "symbols": list(settings.symbols), "feeds": ["fyers-hsm"],
        "broker": {"app_id": "ABCDE12345-100"}, "status_file": str(settings.status_file),
    }  # fmt: skip
    path = root / "generation.json"
    path.write_text(json.dumps(content))
    link = root / "config.json"
    link.symlink_to(path)
    return link


@contextmanager
def process(root: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`harvester live` on a socket of its own."""
    command = [*HARVESTER, "live", "--config", str(root / "config.json"), "--socket", str(root / "p.sock"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running_:
        try:
            yield running_
        finally:
            running_.kill()


def wait_for(condition: Any) -> None:
    patience = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < patience, "it never came"
        time.sleep(0.05)


def test_the_command_serves_until_it_is_stopped_and_tells_of_dues(tmp_path: Path, figure: Any) -> None:
    config_of(tmp_path)
    with process(tmp_path) as running_:
        path = tmp_path / "p.sock"
        wait_for(path.exists)
        wait_for(lambda: json.loads(ask(path, "/state")[2])["dues"]["problem"] != "not asked yet")
        state = json.loads(ask(path, "/state")[2])
        assert state["recorder"]["problem"] == "the recorder does not run"
        assert state["dues"]["entries"] or state["dues"]["problem"] == ""
        rss = Path(f"/proc/{running_.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        figure("live_page_rss_mib", int(rss) / 1024, bound="<= 96", unit="MiB")
        running_.send_signal(signal.SIGTERM)
        assert running_.wait(60) == 0 and not path.exists()


def test_it_ends_when_nobody_looks_and_when_another_deployment_is_in_force(tmp_path: Path) -> None:
    config_of(tmp_path)
    with process(tmp_path, "--idle", "0.5") as running_:
        assert running_.wait(60) == 0
    with process(tmp_path) as running_:
        wait_for((tmp_path / "p.sock").exists)
        assert ask(tmp_path / "p.sock", "/state")[0] == 200
        other = tmp_path / "other.json"
        other.write_text((tmp_path / "generation.json").read_text())
        (tmp_path / "new").symlink_to(other)
        (tmp_path / "new").replace(tmp_path / "config.json")
        assert running_.wait(60) == 0


def test_systemd_hands_over_its_socket_and_nobody_elses_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert activated() is None
    config_of(tmp_path)
    done = subprocess.run(
        [*HARVESTER, "live", "--config", str(tmp_path / "config.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "systemd handed over no socket" in done.stderr
    # As systemd does it: the socket is descriptor 3, and the process that is to take it is named.
    listening = listen(tmp_path / "handed.sock")
    code = (
        "import os, socket, sys; os.dup2(int(sys.argv[1]), 3); os.environ |= {'LISTEN_PID': str(os.getpid()),"
        " 'LISTEN_FDS': '1'}; os.set_inheritable(3, True); os.execv(sys.executable, sys.argv[2:])"
    )
    words = [*HARVESTER, "live", "--config", str(tmp_path / "config.json"), "--idle", "60"]
    command = [sys.executable, "-c", code, str(listening.fileno()), *words]
    with subprocess.Popen(command, pass_fds=[listening.fileno()]) as handed:
        assert ask(tmp_path / "handed.sock", "/state")[0] == 200
        handed.terminate()


def test_a_socket_that_cannot_be_made_or_reached_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(HarvesterError, match=r"taken: no socket can be made there \(Address already in use\)"):
        listen(tmp_path / "taken")
    with pytest.raises(HarvesterError, match=r"none: the live page cannot be reached \(No such file or directory\)"):
        connect(tmp_path / "none")


@pytest.fixture
def sshd() -> Iterator[Server]:
    # Paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="live-", dir="/tmp") as folder, running(Path(folder)) as server:
        yield server


def attach(path: Path) -> list[str]:
    return [*HARVESTER, "live", "--attach", "--socket", str(path)]


def test_a_browser_here_reaches_the_page_through_ssh(
    nse: LiveHost, sshd: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets(nse)
    with nse.serving() as path, live_page.listen(_free_port()) as listening:
        monkeypatch.setattr(live_page, "ATTACH", attach(path))
        live_page.prove(sshd.host())
        threading.Thread(target=_relay, args=(sshd, listening), daemon=True).start()
        for _ in range(2):  # each connection is a command of its own
            near = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1])
            for _ in range(2):  # and lasts for several requests
                near.request("GET", "/state")
                assert json.loads(near.getresponse().read())["host"] == "lab1"
            near.close()


def _relay(sshd: Server, listening: socket.socket) -> None:
    try:
        live_page.relay(sshd.host(), listening)
    except OSError:  # the test has closed what it listened on
        return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_host_without_a_page_is_named_with_its_words(
    tmp_path: Path, sshd: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_page, "ATTACH", attach(tmp_path / "none"))
    with pytest.raises(HarvesterError, match=r"loop serves no live page \(harvester: .*none: the live page cannot be"):
        live_page.prove(sshd.host())


def test_a_port_that_is_taken_or_none_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Port {port} cannot be listened on here \(.*\)\. Give another one"):
            live_page.listen(port)
    with pytest.raises(ConfigError, match="There is no port 99999: ports are 1 to 65535"):
        live_page.listen(99_999)
