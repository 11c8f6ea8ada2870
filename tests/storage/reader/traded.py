"""A day of SBIN with trades of every kind, a gap, and a symbol master: what exporters keep, and what not."""

import gzip
from pathlib import Path
from typing import NamedTuple

from tests.storage.lake.sockets import SBIN, ids_of, quote
from tests.storage.reader.days import GAP, THURSDAY, DayRecorder, close

from exchange.wire import hsm
from harvester.journal.format import FYERS_HSM

MASTER = (
    "10100000003045,STATE BANK OF INDIA,0,1,0.05,INE062A01020,0915-1530|1815-1915:,2026-11-18,,"
    "NSE:SBIN-EQ,10,10,3045,SBIN,3045,-1.0,XX,10100000003045,None,1,0.0"
)


class Shown(NamedTuple):
    """A quote: seconds after the opening, by how much the volume grew, shares and paise of the last print."""

    seconds: float
    grew: int
    last: int
    px: int


BEFORE = [
    *(Shown(1 + number / 2, 7, 7, (80_005, 79_995, 80_000)[number % 3]) for number in range(60)),
    Shown(32, 40, 10, 80_005),
    Shown(33, 3, 10, 80_000),
]
"""Prints of a buyer, a seller and of nobody known; several at once; one that contradicts itself."""
AFTER = [Shown(GAP[1] + 1, 500, 20, 80_005), Shown(GAP[1] + 2, 11, 11, 79_995), Shown(GAP[1] + 3, 30, 9, 79_995)]
"""What traded in the gap, a print, several at once."""
PRINTS, SHARES = 63, 60 * 7 + 40 + 11 + 30
BOUGHT, SOLD = 20, 21


def record_traded(root: Path) -> Path:
    """The lake's folder."""
    folder = root / "masters" / str(THURSDAY)
    folder.mkdir(parents=True)
    with gzip.open(folder / "NSE_CM.csv.gz", "wt") as file:
        file.write(MASTER + "\n")
    run = DayRecorder(root / "lab1" / "journal", THURSDAY)
    run.open()
    run.connect(0, [SBIN])
    run.snapshots(0, SBIN)
    volume = _show(run, BEFORE, 1_000)
    run.at(GAP[0])
    run.control("disconnect", feed=FYERS_HSM, stream=0, cause="disconnect", detail="as told")
    run.lose(SBIN, *GAP)
    run.at(GAP[1])
    run.connect(0, [SBIN])
    run.snapshots(0, SBIN)
    _show(run, AFTER, volume)
    run.close()
    run.stop()
    close(root, THURSDAY, masters=root / "masters")
    return root / "lake"


def _show(run: DayRecorder, quotes: list[Shown], volume: int) -> int:
    for number, each in enumerate(quotes):
        volume += each.grew
        run.at(each.seconds)
        run.books(0, SBIN, number)
        told = {"vol_traded_today": volume, "last_traded_qty": each.last, "ltp": each.px}
        told["last_traded_time"] = run.clock.now_ns // 1_000_000_000
        run.entries(0, hsm.update(ids_of(SBIN)["sf"], quote(0, **told)))
    return volume
