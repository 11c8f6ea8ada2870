"""Real recorded books, read in place where they are: five levels a side as whole numbers.

NIFTY future from one broker, in paise; two crypto pairs, prices in cents and quantities in 1/100,000.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime

from tests.bench.market import LEVELS, Update
from tests.conftest import RECORDED_DATA

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone

CRYPTO_QUANTUM = 100_000
SIDES = ("bid", "ask")


def nifty_future() -> list[Update]:
    """Three minutes of a NIFTY future; orders are recorded at the best level only, and 0 elsewhere."""
    (path,) = (RECORDED_DATA / "dhan_nifty_fut_l2").glob("full_5level_*.csv")
    with path.open(newline="") as file:
        return [_nifty(row) for row in csv.DictReader(file) if row["type"] == "full" and row["bid_price_5"]]


def _nifty(row: dict[str, str]) -> Update:
    received = datetime.fromisoformat(row["time"]).replace(tzinfo=zone())
    places = [(side, level) for side in SIDES for level in range(1, LEVELS + 1)]
    recv_ns = int(received.timestamp() * 1_000_000) * 1_000
    return Update(
        0,
        recv_ns // NS_PER_SECOND,
        recv_ns,
        round(float(row["ltp"]) * 100),
        int(row["ltq"]),
        int(row["volume"]),
        [round(float(row[f"{side}_price_{level}"]) * 100) for side, level in places],
        [int(row[f"{side}_qty_{level}"]) for side, level in places],
        [int(row.get(f"{side}_orders_{level}") or 0) for side, level in places],
    )


def crypto() -> Iterator[tuple[str, list[Update]]]:
    """Some minutes of each pair."""
    for path in sorted((RECORDED_DATA / "crypto_l2").glob("*_top5.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            yield path.name.split("_")[2].upper(), [_crypto(row) for row in csv.DictReader(file)]


def _crypto(row: dict[str, str]) -> Update:
    places = [f"{side}{level}" for side in SIDES for level in range(1, LEVELS + 1)]
    recv_ns = int(row["recv_ns"])
    prices = [round(float(row[f"{place}_px"]) * 100) for place in places]
    sizes = [round(float(row[f"{place}_qty"]) * CRYPTO_QUANTUM) for place in places]
    return Update(0, int(row["exch_ms"]) // 1000, recv_ns, prices[0], 0, 0, prices, sizes, [0] * len(places))


def real_streams() -> list[tuple[str, list[Update]]]:
    """Name and updates of each; [] where the recorded data is not beside this checkout."""
    if not RECORDED_DATA.is_dir():
        return []
    return [("NIFTY future, 3 min", nifty_future()), *((f"{name}, 6 min", rows) for name, rows in crypto())]
