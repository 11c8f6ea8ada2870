"""What the page shows in cases of their own: no symbols yet, an index, a connection begun anew, moments, rates."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.journals import OPEN_NS, HandClock
from tests.live.conftest import DUES, INFY, MINUTE_NS, SBIN, LiveHost, settings_of, sockets
from tests.live.test_serving import ask
from tests.storage.lake.sockets import NIFTY, SocketRecorder, book, ids_of, quote, topics_of

from exchange.wire import hsm
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.decode.hsm_layout import DEPTH
from harvester.journal.format import FYERS_TBT
from harvester.live import due_table
from harvester.live.due_table import DueTable
from harvester.live.recorder import RecorderNews
from lab.testing import wait_until


def test_a_host_whose_rules_were_never_looked_up_has_a_page_that_says_so(tmp_path: Path) -> None:
    rule = {"underlying": "NIFTY", "expiry": "nearest 1"}
    host = LiveHost(tmp_path, settings_of(tmp_path, symbols=[], rules=[rule]), HandClock(OPEN_NS))

    answer = host.answer(SBIN)

    assert (answer["symbols"], answer["count"], answer["shown"]["name"]) == ([], 0, "")
    assert answer["problem"].startswith("No symbol is recorded yet: what the rules stand for")
    assert answer["shown"].keys() == LiveHost(tmp_path, settings_of(tmp_path), host.clock).answer()["shown"].keys()


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


def test_a_symbol_that_is_recorded_no_more_has_no_rate_and_the_others_begin_anew(tmp_path: Path) -> None:
    path, counts = tmp_path / "status.json", ({SBIN: 5, INFY: 1}, {INFY: 2}, {INFY: 7})
    news = RecorderNews(path)
    for second, updates in enumerate(counts):
        at_ns = OPEN_NS + second * NS_PER_SECOND
        symbols = {name: {"updates": count, "last_recv_ns": at_ns} for name, count in updates.items()}
        path.write_text(json.dumps({"written_at_ns": at_ns, "symbols": symbols}))
        news.look(at_ns)

    assert (news.of(SBIN), news.of(INFY).rate) == ((None, None), 5.0)


def test_a_rate_is_of_the_last_ten_seconds_and_of_longer_where_the_recorder_said_nothing(tmp_path: Path) -> None:
    path, rates = tmp_path / "status.json", []
    news = RecorderNews(path)
    for second, count in ((0, 0), (1, 100), (12, 111), (13, 113), (23, 123)):
        at_ns = OPEN_NS + second * NS_PER_SECOND
        path.write_text(json.dumps({"written_at_ns": at_ns, "symbols": {SBIN: {"updates": count}}}))
        os.utime(path, ns=(at_ns, at_ns))
        news.look(at_ns)
        rates.append(news.of(SBIN).rate)

    assert rates == [None, 100.0, 1.0, 13 / 12, 1.0]


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


def test_what_is_due_is_asked_again_and_what_the_command_complains_of_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "python"
    command.write_text(f"#!/bin/sh\necho x >> {tmp_path}/asked\necho first >&2\necho the disk fails >&2\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(command))
    monkeypatch.setattr(due_table, "EVERY_SECONDS", 0.001)
    table = DueTable(Path("/etc/h.json"))
    table.start()
    asked = tmp_path / "asked"
    assert wait_until(lambda: asked.exists() and len(asked.read_text()) > 2, 60)
    table.stop()

    assert table.state == {"entries": [], "problem": "the disk fails"}


def test_a_browser_that_takes_nothing_compressed_gets_the_page_as_it_is(nse: LiveHost) -> None:
    with nse.serving() as path, socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(path))
        asking.sendall(b"GET /page.js HTTP/1.0\r\nHost: localhost\r\n\r\n")
        head, _, body = asking.makefile("rb").read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200") and b"Content-Encoding" not in head
    assert body.startswith(b'"use strict";')


def test_what_a_browser_asks_for_is_what_it_is_shown(nse: LiveHost) -> None:
    recorder = sockets(nse)
    for minute in range(3):
        recorder.at(60 * minute)
        recorder.entries(0, hsm.update(ids_of(INFY)["sf"], quote(minute)))
    with nse.serving() as path:

        def shown(**query: str) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(ask(path, f"/state?{urlencode(query)}")[2])
            return found

        assert wait_until(lambda: bool(shown(symbol=INFY)["shown"]["points"]), 60)
        first, other = shown(symbol=INFY, like="inf"), shown()
        again = shown(symbol=INFY, have=first["shown"]["points_id"])

    assert (first["shown"]["name"], first["count"], len(first["shown"]["points"])) == (INFY, 1, 2)
    assert (other["shown"]["name"], other["count"]) == (SBIN, 2)
    assert again["shown"]["points"] is None and again["dues"]["entries"] == DUES


def test_moments_are_whole_milliseconds_wherever_they_stand(nse: LiveHost, monkeypatch: pytest.MonkeyPatch) -> None:
    nse.clock.now_ns = OPEN_NS + 1
    recorder = sockets(nse)
    recorder.book50(0, SBIN, 1)
    nse.say(SBIN)
    answer = nse.answer(SBIN)
    shown = answer["shown"]
    moments = [answer["now"], answer["recorder"]["written"], shown["opens"], shown["closes"], shown["last"]]
    moments += [each["at"] for each in shown["ladders"]]
    assert len(moments) == 7 and {type(each) for each in moments} == {int}

    for number in range(600):
        recorder.quotes(0, SBIN, number)
    monkeypatch.setattr("harvester.live.view.LOOK_SECONDS", 0)
    view = nse.begin()
    assert not view.turn() and view.answer(SBIN, "", "")["reading"] == OPEN_NS // NS_PER_MS


@pytest.mark.parametrize("precision", [19, 255])
def test_a_topic_whose_prices_have_no_scale_is_not_shown_and_hinders_no_other(nse: LiveHost, precision: int) -> None:
    recorder = sockets(nse)
    recorder.books(0, SBIN, 2)
    before = nse.answer(SBIN)["shown"]["ladders"]
    names = {name.partition("|")[0]: name for name in topics_of([SBIN])}
    for kind, values in (("dp", book(3)), ("sf", quote(3))):
        topic = hsm.Topic(names[kind], precision=precision)
        recorder.entries(0, hsm.snapshot(ids_of(SBIN)[kind], topic, values))

    assert nse.answer(SBIN)["shown"]["ladders"] == before


def test_a_level_of_which_no_order_is_known_is_a_level_of_none(nse: LiveHost) -> None:
    recorder = sockets(nse)
    few = dict(zip(DEPTH.fields, book(3), strict=True)) | {"bid_ord_1": 0}
    recorder.entries(0, hsm.update(ids_of(SBIN)["dp"], [*few.values()]))

    [five] = [each for each in nse.answer(SBIN)["shown"]["ladders"] if each["feed"] == "fyers-hsm"]

    assert five["bids"][0] == (799.98, 103, 0)
