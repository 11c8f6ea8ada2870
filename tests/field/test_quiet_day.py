"""A day on which little happens: 40 of 60 symbols change less than once a minute, two halts, one circuit."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.bench.child import compiled
from tests.conftest import Figure
from tests.field import quiet_day
from tests.field.quiet_day import AT_LIMIT, BOOKS_50, BUSY, CLOSES_NS, HALTS, INDEX, OPENS_NS, SLOW
from tests.golden import masters
from tests.streams.audit import Audit

from exchange.certificates import ensure_certificates
from exchange.hosts import BROKER_HOSTS, PUBLIC_HOST
from exchange.sockets.sent import BINARY, read_sent
from exchange.state import StateDir
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT

ROOT = Path(__file__).parent.parent.parent
FEEDS = {"fyers-hsm": FYERS_HSM, "fyers-tbt": FYERS_TBT}
MOST_RECONNECTS = 3
MINUTES = (CLOSES_NS - OPENS_NS) / 60 / NS_PER_SECOND


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def run(folder: Path, environment: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a day that was recorded and closed."""
    folder = tmp_path_factory.mktemp("quiet-day")
    before = Path.cwd()
    os.chdir(folder)
    try:
        state = StateDir(folder / "state").prepare()
        ensure_certificates(state.path)
        quiet_day.prepare(state.app().app_id)
        masters.make_certificate(Path("ca.pem"), Path("key.pem"), [PUBLIC_HOST])
        Path("trusted.pem").write_bytes(Path("ca.pem").read_bytes() + state.ca.read_bytes())
        port = free_port()
        files = {
            "/sym_details/NSE_CM.csv": Path("master.csv").read_text("utf-8"),
            "/sym_details/index_hsm_mapping.json": json.dumps({INDEX: "Nifty 50"}),
        }
        with masters.serving(files) as public:
            hosts = [f"{host}={public if host == PUBLIC_HOST else port}" for host in BROKER_HOSTS]
            environment = {name: value for name, value in compiled().items() if not name.lower().endswith("_proxy")} | {
                "GOLDEN_HOSTS": ",".join(hosts),
                "HARVESTER_CONFIG": "/proc/self/cwd/config.json",
                "SSL_CERT_FILE": "/proc/self/cwd/trusted.pem",
                "PYTHONHASHSEED": "0",
                "PYTHONPATH": f"{ROOT / 'tests/golden/child'}{os.pathsep}{ROOT}",
            }
            run(folder, environment, "-m", "tests.field.quiet_day", str(port))
        run(folder, environment, "-m", "harvester", "close", "--date", quiet_day.DATE)
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def audit(day: Path) -> Audit:
    return Audit(day / "data/journal")


@pytest.fixture(scope="module")
def certificate(day: Path) -> dict[str, Any]:
    (path,) = (day / "data/lake/certificate").glob("date=*/host=*/certificate-*.json")
    return json.loads(path.read_bytes())  # type: ignore[no-any-return]


def entries(certificate: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Of each socket's symbols."""
    streams = certificate["streams"]
    return {(feed, symbol): entry for feed in FEEDS for symbol, entry in streams[feed]["symbols"].items()}


def test_the_day_is_as_quiet_as_it_says(certificate: dict[str, Any]) -> None:
    found = certificate["streams"]["fyers-hsm"]["symbols"]
    books = {symbol: entry["updates"].get("depth", 0) for symbol, entry in found.items()}

    assert len(found) == 60
    assert all(0 < books[symbol] < MINUTES for symbol in SLOW)
    assert all(books[symbol] > 4 * MINUTES for symbol in BUSY)


def test_all_of_it_is_covered_and_nothing_is_called_a_gap(certificate: dict[str, Any], figure: Figure) -> None:
    covered = [entry["coverage"] for entry in entries(certificate).values()]
    gaps = sum(entry["gaps_by_cause"] != {} for entry in entries(certificate).values())

    figure("quiet_day_coverage_percent", 100 * min(covered), bound=">= 100", unit="%", gate=True)
    figure("quiet_day_symbols_with_gaps", gaps, bound="<= 0", unit="symbols", gate=True)


def test_few_connections_are_made(certificate: dict[str, Any], figure: Figure) -> None:
    made = sum(certificate["streams"][feed]["connection_count"] - 1 for feed in FEEDS)
    figure("quiet_day_reconnects", made, bound=f"<= {MOST_RECONNECTS}", unit="connections", gate=True)


def test_every_frame_that_the_exchange_sent_is_journalled(day: Path, audit: Audit, figure: Figure) -> None:
    for feed, number in FEEDS.items():
        paths = sorted((day / "state/frames").glob(f"*-{feed}.frames"), key=lambda path: int(path.name.split("-")[0]))
        sent = [[frame.payload for frame in read_sent(path) if frame.opcode == BINARY] for path in paths]
        kept = [connection.payloads for connection in audit.of(number)]
        assert [len(frames) for frames in sent] == [len(frames) for frames in kept]
        assert sent == kept
        figure(f"quiet_day_frames_{feed}", sum(map(len, kept)), bound=">= 1", unit="frames")


def test_the_first_frame_after_a_halt_came_when_it_was_sent(day: Path, audit: Audit) -> None:
    for at, long in HALTS:
        ends_ns = OPENS_NS + (at + long) * NS_PER_SECOND
        received = [wall for each in audit.of(FYERS_HSM) for wall, _ in each.messages if wall >= ends_ns]
        assert min(received) < ends_ns + 2 * NS_PER_SECOND


def test_the_halts_are_proven_to_be_quiet(audit: Audit, certificate: dict[str, Any]) -> None:
    records = audit.of_type("quiet")

    assert any(record["feed"] == FYERS_HSM for record in records)
    assert all(len(record["symbols"]) == (60 if record["feed"] == FYERS_HSM else len(BOOKS_50)) for record in records)
    quiet = [
        entry["quiet_ns"] / NS_PER_SECOND for (feed, _), entry in entries(certificate).items() if feed != "fyers-tbt"
    ]
    assert min(quiet) == max(quiet)
    assert 0 < quiet[0] < sum(long for _, long in HALTS)


def test_a_side_without_orders_is_recorded(day: Path) -> None:
    import pyarrow.parquet as pq

    (path,) = (day / "data/lake/depth_v3").glob("date=*/host=*/*.parquet")
    prices = ["bid_px_paise", "ask_px_paise"]
    rows = pq.read_table(path, columns=prices, filters=[("symbol", "==", AT_LIMIT)]).to_pylist()

    at_limit = [row for row in rows if row["ask_px_paise"] == [None] * 5]
    assert at_limit
    assert all(row["bid_px_paise"][0] is not None for row in at_limit)
