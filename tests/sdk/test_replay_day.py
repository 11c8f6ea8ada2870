"""A recorded day served again: the same frames, in their order and pace, to the SDK and to bare clients."""

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import date

import pytest
from tests import lake_rows
from tests.sdk.conftest import running
from tests.sdk.recordings import Segment, build_lake, listen, of_feed, write_recording
from tests.sdk.sockets import (
    FUTURE,
    MAHINDRA,
    NIFTY,
    SBIN,
    asynchronous,
    bare,
    count_breaks,
    sdk_data,
    sockets,
    wait_for,
)
from tests.sdk.test_cli import EXCHANGE

from exchange import cli
from exchange.client import call_control
from exchange.options import Options, ReplayOptions
from exchange.state import App
from exchange.wire import hsm, tbt
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import to_local
from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import TbtDecoder
from harvester.journal.format import FYERS_HSM, FYERS_REST, FYERS_TBT, Poll, encode_poll
from harvester.lake.layout import table_of

SECONDS = 3.0
DAY = date(2026, 11, 20)
BEGAN_NS = 1_795_147_200 * NS_PER_SECOND
TOPICS = {"sf|nse_cm|3045": SBIN, "dp|nse_cm|3045": SBIN, "dp|nse_cm|2031": MAHINDRA, "if|nse_cm|Nifty 50": NIFTY}
DEPTH50 = [SBIN, FUTURE]
RECEIPT = {"ts_recv", "mono_offset_ns", "seq", "run_id", "ts_sched"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Some seconds of a lively exchange, recorded through both sockets."""
    folder = tmp_path_factory.mktemp("recorded")
    options = Options(state=tmp_path_factory.mktemp("x") / "state", always_open=True, rate_limits=False, busy=8.0)
    with running(options, folder) as server:
        kept = asyncio.run(listen(server, list(TOPICS), DEPTH50, SECONDS))
    return folder, write_recording(folder, kept, TOPICS, DEPTH50), to_local(kept[0][2]).date()


def serve(start, recorded, speed=None, *, wait=True, settle=0.3):
    folder, _, day = recorded
    return start(day=ReplayOptions(folder, day, speed, wait=wait, settle_seconds=settle))


def hear(server, topics=tuple(TOPICS), symbols=tuple(DEPTH50), seconds=1.5):
    """What clients of both sockets get."""
    return asyncio.run(listen(server, topics, symbols, seconds))


def test_who_subscribes_all_gets_the_recorded_frames_byte_for_byte(start, recorded, figure):
    server = serve(start, recorded)
    kept = hear(server)
    for feed in (FYERS_HSM, FYERS_TBT):
        assert of_feed(kept, feed) == of_feed(recorded[1], feed)
    frames = len(of_feed(kept, FYERS_HSM)) + len(of_feed(kept, FYERS_TBT))
    figure("replay_frames_equal", frames, bound=">= 20", unit="frames", gate=True)
    assert server.world.replay()["state"] == "ended"


def test_recording_a_replay_gives_the_same_lake_rows(start, recorded, tmp_path, figure):
    again = [each for each in hear(serve(start, recorded)) if each[0] == FYERS_TBT or each[4][2] == 6]
    first = [each for each in recorded[1] if each[0] == FYERS_TBT or each[4][2] == 6]
    rows = 0
    tables = [
        _tables(build_lake(tmp_path / name, kept, TOPICS, DEPTH50)) for name, kept in (("one", first), ("two", again))
    ]
    assert tables[0].keys() == tables[1].keys() >= {"depth", "quotes", "indices", "depth50"}
    for kind, table in tables[0].items():
        assert table == tables[1][kind], kind
        rows += len(table)
    figure("replay_lake_rows_equal", rows, bound=">= 20", unit="rows", gate=True)


def _tables(lake):
    """The rows of each table in their order, without what says when and where they were received."""
    found = {}
    for path in sorted(lake.glob("*/date=*/host=*/*.parquet")):
        table = lake_rows.read(path)
        kept = [name for name in table.column_names if name not in RECEIPT]
        kind = table_of(path.relative_to(lake).parts[0])
        if kind in ("depth", "quotes", "indices", "depth50"):
            found[kind] = table.select(kept).to_pylist()
    return found


class Apart:
    """A replay in a process of its own, as people run it: it does not share an interpreter with its clients."""

    def __init__(self, process, state):
        self.state = state
        self.exchange = self
        self.ready = json.loads(process.stdout.readline())
        self.app = App(**json.loads((state / "app.json").read_text()))
        self.minted = subprocess.check_output([EXCHANGE, "token", "--state", state], text=True).strip()

    def describe(self):
        return self.ready

    def token(self):
        return self.minted


@contextmanager
def apart(recorded, state):
    folder, _, day = recorded
    words = [EXCHANGE, "replay", "--always-open", "--date", day.isoformat(), folder, "--state", state]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Apart(process, state)
        finally:
            process.terminate()


@pytest.mark.long
def test_the_recorded_pace_is_kept(recorded, figure, tmp_path):
    with apart(recorded, tmp_path / "state") as server:
        kept = hear(server, seconds=SECONDS + 2)
        late = call_control(server.state, "GET", "/state").json()["replay"]["late"]
    then, now = ([k[3] for k in which if k[0] == FYERS_TBT or k[4][2] == 6] for which in (recorded[1], kept))
    assert len(then) == len(now)
    errors = sorted(abs((b - now[0]) - (a - then[0])) / NS_PER_MS for a, b in zip(then, now, strict=True))
    figure("replay_pace_p99_ms", late["p99_ms"], bound="< 5", unit="ms")
    figure("replay_received_pace_p99_ms", errors[int(0.99 * len(errors))], bound="< 5", unit="ms")
    assert abs((now[-1] - now[0]) - (then[-1] - then[0])) < 0.5 * NS_PER_SECOND


@pytest.mark.long
def test_a_part_is_served_with_the_same_values(start, recorded):
    server = serve(start, recorded)
    kept = hear(server, topics=("dp|nse_cm|2031",), symbols=(FUTURE,))
    ours = HsmDecoder().decode(of_feed(kept, FYERS_HSM))
    all_of_it = HsmDecoder().decode(of_feed(recorded[1], FYERS_HSM))
    assert {each.name for each in ours.topics} == {"dp|nse_cm|2031"}
    place = [each.name for each in all_of_it.topics].index("dp|nse_cm|2031")
    depth = all_of_it.rows[1]
    wanted = depth.values[:, depth.topic == place]
    assert ours.rows[1].values.tolist() == wanted.tolist() and wanted.shape[1] > 5
    books, everything = (TbtDecoder().decode(of_feed(which, FYERS_TBT)) for which in (kept, recorded[1]))
    assert books.tickers == [FUTURE] and not count_breaks(books.books)
    mine = everything.books.symbol == list(everything.tickers).index(FUTURE)
    assert books.books.bid_qty.tolist() == everything.books.bid_qty[:, mine].tolist()
    assert books.books.sequence.tolist() == everything.books.sequence[mine].tolist()


def test_who_comes_late_gets_snapshots_of_that_moment(start, recorded):
    server = serve(start, recorded, wait=False)
    wait_for(lambda: server.world.replay()["state"] == "ended")
    kept = hear(server, seconds=0.5)
    ours, everything = (HsmDecoder().decode(of_feed(which, FYERS_HSM)) for which in (kept, recorded[1]))
    for kind in range(3):
        for number, about in enumerate(ours.topics):
            mine = ours.rows[kind].topic == number
            place = [each.name for each in everything.topics].index(about.name)
            then = everything.rows[kind].values[:, everything.rows[kind].topic == place]
            assert ours.rows[kind].values[:, mine].tolist() == then[:, -1:].tolist()
    assert sum(len(rows) for rows in ours.rows) == len(TOPICS)
    books, before = (TbtDecoder().decode(of_feed(which, FYERS_TBT)) for which in (kept, recorded[1]))
    for number, ticker in enumerate(books.tickers):
        last = [p for p, each in enumerate(before.books.symbol) if before.tickers[each] == ticker][-1]
        mine = list(books.books.symbol).index(number)
        assert books.books.ask_px[:, mine].tolist() == before.books.ask_px[:, last].tolist()
        assert books.books.total_buy[mine] == before.books.total_buy[last]
    with server.client() as client:
        row = server.depth(client).json()["d"][SBIN]
    depth = everything.rows[1]
    place = [each.name for each in everything.topics].index("dp|nse_cm|3045")
    assert round(row["bids"][0]["price"] * 100) == depth.column("bid_px_1")[depth.topic == place][-1]


@pytest.mark.long
def test_the_unmodified_sdk_sees_the_day(start, recorded, tmp_path):
    kept = [each for each in recorded[1] if each[0] == FYERS_HSM]
    write_recording(tmp_path, kept, TOPICS, [])
    everything = HsmDecoder().decode(of_feed(kept, FYERS_HSM))
    depth = everything.rows[1]
    mine = depth.topic == [each.name for each in everything.topics].index("dp|nse_cm|3045")
    wanted = [price / 100 for price in depth.column("bid_px_1")[mine & depth.changed].tolist()]
    server = serve(start, (tmp_path, kept, recorded[2]), 4.0, settle=60)
    with sdk_data(server, ([SBIN, NIFTY], "SymbolUpdate"), ([SBIN, MAHINDRA], "DepthUpdate")) as client:
        wait_for(lambda: server.world.replay()["state"] == "ended", 20)
        wait_for(lambda: len(client.of(SBIN, "dp")) >= len(wanted))
    assert [tick["bid_price1"] for tick in client.of(SBIN, "dp")] == wanted
    assert not client.errors


def _day(folder, *segments):
    for segment in segments:
        segment.write(folder)
    return folder, None, DAY


def _feed(number, *entries):
    return hsm.feed(number, entries)


def test_two_recorded_connections_with_equal_ids_do_not_mix(start, tmp_path):
    """Redundant connections too: a topic comes from one of them, and from the other when that ends."""
    segment = Segment()
    one, two = {"dp|nse_cm|3045": SBIN}, {"dp|nse_cm|2031": MAHINDRA}
    names = {**one, **two}
    for stream, topics in ((0, one), (1, two), (2, one)):
        segment.connect_hsm(BEGAN_NS, stream, topics)
    for stream, (name,) in ((0, one), (1, two), (2, one)):
        snapshot = hsm.snapshot(5, hsm.Topic(name), [100 + stream] * 30)
        segment.data(FYERS_HSM, stream, BEGAN_NS + 1, _feed(1, snapshot))
    for stream in (0, 1, 2):
        segment.data(FYERS_HSM, stream, BEGAN_NS + 2, _feed(2, hsm.update(5, [200 + stream, *[None] * 29])))
    segment.control(BEGAN_NS + 3, type="disconnect", feed=FYERS_HSM, stream=0, cause="disconnect")
    segment.data(FYERS_HSM, 2, BEGAN_NS + 4, _feed(3, hsm.update(5, [None, 302, *[None] * 28])))
    server = serve(start, _day(tmp_path, segment))
    kept = hear(server, topics=tuple(names), symbols=(), seconds=1)
    batch = HsmDecoder().decode(of_feed(kept, FYERS_HSM))
    assert not batch.leftovers
    rows = batch.rows[1]
    seen = [
        (batch.topics[each].name, int(rows.column("bid_px_1")[place]), int(rows.column("bid_px_2")[place]))
        for place, each in enumerate(rows.topic)
    ]
    sbin, mahindra = one.popitem()[0], two.popitem()[0]
    assert seen == [
        (sbin, 100, 100), (mahindra, 101, 101), (sbin, 200, 100), (mahindra, 201, 101), (sbin, 202, 302),
    ]  # fmt: skip


@pytest.mark.long
def test_rest_answers_are_those_of_the_replays_clock(start, tmp_path):
    segment = Segment()
    for number, price in enumerate((800.15, 801.0)):
        body = b'{"s":"ok","d":{"NSE:SBIN-EQ":{"ltp":%.2f,"v":1}},"message":""}' % price
        at = BEGAN_NS + 6 * number * NS_PER_SECOND
        segment.data(FYERS_REST, 0, at, encode_poll(Poll(at, at, 200, body)))
    server = serve(start, _day(tmp_path, segment), 2.0, wait=False)
    with server.client() as client:
        seen = [server.depth(client).json()["d"][SBIN]["ltp"]]
        wait_for(lambda: server.world.replay()["state"] == "ended")
        seen.append(server.depth(client).json()["d"][SBIN]["ltp"])
    assert seen == [800.15, 801.0]


@pytest.mark.long
@asynchronous
async def test_nothing_is_dropped_for_a_client_that_reads_slowly(start, tmp_path):
    segment = Segment()
    segment.connect_hsm(BEGAN_NS, 0, {"dp|nse_cm|3045": SBIN})
    segment.data(FYERS_HSM, 0, BEGAN_NS, _feed(1, hsm.snapshot(1, hsm.Topic("dp|nse_cm|3045"), [1] * 30)))
    filling = [hsm.update(1, [7] * 30)] * 200
    count = 500
    for number in range(2, count):
        segment.data(FYERS_HSM, 0, BEGAN_NS + number, _feed(number, *filling))
    server = serve(start, _day(tmp_path, segment))
    async with bare(server, narrow=True) as client:
        await client.login(server)
        await client.subscribe(["dp|nse_cm|3045"])
        await asyncio.sleep(1)
        assert server.world.replay()["state"] == "playing"
        numbers = [int.from_bytes((await client.next_of(6))[3:7], "big") for _ in range(1, count)]
    assert numbers == list(range(1, count))
    assert sockets(server)[0]["dropped"] == 0


@asynchronous
async def test_damaged_frames_go_to_those_who_have_the_whole_connection(start, tmp_path):
    segment = Segment()
    segment.connect_hsm(BEGAN_NS, 0, {"dp|nse_cm|3045": SBIN})
    segment.connect_tbt(BEGAN_NS, 0, [SBIN])
    good = _feed(1, hsm.snapshot(1, hsm.Topic("dp|nse_cm|3045"), [1] * 30))
    for frame in (good, good[:40], b"\0\1\6\0\0\0\2\0\1\x99"):
        segment.data(FYERS_HSM, 0, BEGAN_NS + 1, frame)
    book = tbt.socket_message([tbt.Feed(SBIN, sequence=1, snapshot=True)], snapshot=True)
    for frame in (book, book[:-3], b"\xff"):
        segment.data(FYERS_TBT, 0, BEGAN_NS + 2, frame)
    server = serve(start, _day(tmp_path, segment))
    kept = await listen(server, ["dp|nse_cm|3045"], [SBIN], 1)
    assert of_feed(kept, FYERS_HSM) == [good, good[:40], b"\0\1\6\0\0\0\2\0\1\x99"]
    assert of_feed(kept, FYERS_TBT) == [book, book[:-3], b"\xff"]


@pytest.mark.long
def test_the_command_line_replays_around_a_command(recorded, tmp_path):
    folder, _, day = recorded
    words = [EXCHANGE, "replay", "--always-open", "--date", day.isoformat(), folder, "--speed", "max"]
    code = "import os; print(os.path.exists(os.environ['FYERS_ACCESS_TOKEN_FILE']))"
    ran = subprocess.run([*words, "--", sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "True" and ran.returncode == 0


def test_a_day_that_was_not_recorded_is_named(tmp_path, capsys):
    assert cli.main(["replay", "--date", "2020-01-01", str(tmp_path)]) != 0
    assert "no recorded segments of 2020-01-01" in capsys.readouterr().err
    assert cli.main(["replay", "--date", DAY.isoformat(), str(_empty(tmp_path))]) != 0
    assert "hold no data" in capsys.readouterr().err


def _empty(folder):
    segment = Segment()
    segment.control(BEGAN_NS, type="start", pid=1)
    return segment.write(folder).parent
