"""What is listed now: the instruments, as faults rename or remove them, and the rows of a symbol master."""

import csv
import io
from collections.abc import Iterable

from exchange.faults import Fault
from exchange.market.instruments import Instrument
from exchange.world import World

TICKER, ROOT = 9, 13


def instrument_of(world: World, symbol: str) -> str | None:
    """The ticker by which the market may know what is asked for as `symbol` now; None: it is not listed."""
    for fault in world.faults.of_listing("rename", "vanish"):
        if fault.action == "rename" and symbol == fault.to:
            return fault.symbol
        if fault.names(symbol):
            return None
    return symbol


def master_text(world: World, instruments: Iterable[Instrument]) -> str:
    """A symbol master of these instruments, as faults have it: 21 columns, no header."""
    renames = {fault.symbol: fault.to for fault in world.faults.of_listing("rename") if fault.to}
    gone = world.faults.of_listing("vanish")
    broken = world.faults.of_listing("bad_row")
    lines = []
    for item in instruments:
        if any(fault.names(item.ticker) for fault in gone):
            continue
        line = _line(_renamed(item.row, renames[item.ticker]) if item.ticker in renames else item.row)
        lines.append(line[: len(line) // 2] if any(fault.names(item.ticker) for fault in broken) else line)
    return _cut("".join(f"{line}\n" for line in lines), world.faults.of_listing("short_master"))


def _renamed(row: tuple[str, ...], ticker: str) -> tuple[str, ...]:
    """The row under another ticker: fyToken and ISIN stay, as the broker's master showed of a company renamed."""
    cells = list(row)
    cells[TICKER], cells[ROOT] = ticker, ticker.partition(":")[2].rpartition("-")[0] or row[ROOT]
    return tuple(cells)


def _line(row: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _cut(text: str, faults: list[Fault]) -> str:
    """Whole lines of the first so many bytes, or of the first third."""
    for fault in faults:
        size = len(text) // 3 if fault.size_bytes is None else fault.size_bytes
        text = text[: text.rfind("\n", 0, size + 1) + 1]
    return text
