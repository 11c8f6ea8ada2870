"""What the page shows and its service does in cases of its own: no symbols yet, an index, a connection begun anew."""

import json
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest
from tests.journals import OPEN_NS, HandClock
from tests.live.conftest import INFY, MINUTE_NS, SBIN, LiveHost, settings_of, sockets
from tests.storage.lake.sockets import NIFTY, SocketRecorder, book, ids_of

from exchange.wire import hsm
from harvester.base.clock import NS_PER_MS
from harvester.commands.live import in_force
from harvester.decode.hsm_layout import DEPTH
from harvester.journal.format import FYERS_TBT
from harvester.live.due_table import DueTable
from harvester.live.recorder import RecorderNews
from harvester.live.server import LiveServer, listen
from harvester.live.view import LOOK_SECONDS
from lab.testing import wait_until


def test_a_host_whose_rules_were_never_looked_up_has_a_page_that_says_so(tmp_path: Path) -> None:
    rule = {"underlying": "NIFTY", "expiry": "nearest 1"}
    host = LiveHost(tmp_path, settings_of(tmp_path, symbols=[], rules=[rule]), HandClock(OPEN_NS))

    answer = host.answer(SBIN)

    assert (answer["symbols"], answer["count"], answer["shown"]["name"]) == ([], 0, "")
    assert answer["problem"].startswith("No symbol is recorded yet: what the rules stand for")
    assert answer["shown"].keys() == LiveHost(tmp_path, settings_of(tmp_path), host.clock).answer()["shown"].keys()


def test_the_page_of_another_day_has_the_symbols_that_its_rules_stand_for_then(tmp_path: Path) -> None:
    """Its service reads them at its start, so it ends when a morning's look-up, or a second one, has come."""
    config, masters = tmp_path / "config.json", tmp_path / "masters"
    seen = [in_force(config, masters)]
    for day in ("2026-11-23", "2026-11-24", "2026-11-24"):
        folder = masters / day
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "new").write_text("{}")
        (folder / "new").rename(folder / "symbols.json")
        seen.append(in_force(config, masters))

    assert len(set(seen)) == 4
    assert in_force(config, None) == in_force(config, None) != seen[-1]
    other = tmp_path / "other.json"
    config.symlink_to(other)
    assert in_force(config, masters) != seen[-1]


@pytest.mark.parametrize(
    ("idle_seconds", "is_another", "ends"), [(600, False, False), (0, False, True), (600, True, True)]
)
def test_the_service_ends_when_nobody_looks_or_what_it_has_read_is_another(
    nse: LiveHost, idle_seconds: float, is_another: bool, ends: bool
) -> None:
    stop, path, read = threading.Event(), nse.root / "page.sock", ["r1"]
    with LiveServer(listen(path), nse.begin(), stop, idle_seconds=idle_seconds, reads=lambda: read[0]) as server:
        if is_another:
            read[0] = "r2"
        server.service_actions()

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


def test_an_index_has_prices_and_no_shares(tmp_path: Path) -> None:
    host = LiveHost(tmp_path, settings_of(tmp_path, hsm={"index_symbols": [NIFTY]}), HandClock(OPEN_NS))
    recorder = SocketRecorder(host.settings.journal_dir, host.clock)
    recorder.connect(0, [SBIN, NIFTY])
    recorder.snapshots(0, NIFTY)
    recorder.at(61)
    recorder.entries(0, hsm.update(ids_of(NIFTY)["if"], [2_500_105, None, None, None, None, None, None, None]))

    shown = host.answer(NIFTY)["shown"]

    assert [point[:3] for point in (*shown["points"], shown["newest"])] == [
        [OPEN_NS // NS_PER_MS, 25_000.0, 0],
        [(OPEN_NS + MINUTE_NS) // NS_PER_MS, 25_001.05, 0],
    ]
    assert shown["ladders"] == [] and shown["newest"][4] is None, "without shares there is no VWAP"


def test_a_level_of_one_share_is_a_level(nse: LiveHost) -> None:
    recorder = sockets(nse)
    few = dict(zip(DEPTH.fields, book(3), strict=True)) | {"bid_qty_1": 1, "ask_qty_1": 1}
    recorder.entries(0, hsm.update(ids_of(SBIN)["dp"], [*few.values()]))

    [five] = [each for each in nse.answer(SBIN)["shown"]["ladders"] if each["feed"] == "fyers-hsm"]

    assert five["bids"][0] == (799.98, 1, 1) and five["asks"][0] == (800.08, 1, 6)


def test_what_a_new_connection_has_not_said_is_not_taken_from_the_one_before(nse: LiveHost) -> None:
    """An update before its snapshot changes nothing that is shown; a book of 50 levels is not valid before its own."""
    recorder = sockets(nse)
    recorder.at(10)
    recorder.books(0, SBIN, 2)
    before = nse.answer(SBIN)["shown"]["ladders"]
    recorder.at(20)
    recorder.connect(0, [SBIN, INFY])
    recorder.connect(0, [SBIN], FYERS_TBT)
    recorder.books(0, SBIN, 9)
    recorder.book50(0, SBIN, 1)

    five, few = nse.answer(SBIN)["shown"]["ladders"]

    assert [each["valid"] for each in before] == [True, True]
    assert (five["feed"], five) == ("fyers-hsm", before[1]), "which has the most levels now"
    assert (few["feed"], few["valid"], len(few["bids"])) == ("fyers-tbt", False, 3)


def test_a_symbol_of_which_the_recorder_counts_nothing_yet_has_no_rate_but_zero(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    news = RecorderNews(path)
    for second in range(2):
        at_ns = OPEN_NS + second * MINUTE_NS
        path.write_text(json.dumps({"written_at_ns": at_ns, "symbols": {SBIN: {"last_recv_ns": None}}}))
        news.look(at_ns)

    assert news.problem == "" and news.of(SBIN) == (None, 0.0)
    assert news.of("NSE:NOPE-EQ") == (None, None)


def test_what_is_due_is_asked_of_the_command_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "python"
    command.write_text('#!/bin/sh\necho a warning\necho "{\\"entries\\": [{\\"name\\": \\"$*\\"}]}"\nexit 3\n')
    command.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(command))
    table = DueTable(Path("/etc/h.json"))
    table.start()
    assert wait_until(lambda: table.state["problem"] != "not asked yet", 60)
    table.stop()

    assert table.state == {"entries": [{"name": "-m harvester due --json --config /etc/h.json"}], "problem": ""}


def test_a_page_that_is_asked_before_anything_was_read_answers(nse: LiveHost) -> None:
    with nse.serving() as path, socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(path))
        asking.sendall(b"GET /state HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert asking.recv(12) == b"HTTP/1.1 200"
