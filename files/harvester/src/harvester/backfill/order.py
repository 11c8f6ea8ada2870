"""What was ordered: which bars, of which symbols and days. One order at a time, a file of the host."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.base.market import to_local
from harvester.base.validation import Model, Refused, validate
from harvester.config.feeds import MOST_SYMBOLS, NseSymbol
from harvester.config.resolutions import Resolution, parse_resolution
from harvester.lake.layout import BACKFILL_JOURNAL

FOLDER, FILE = BACKFILL_JOURNAL.parent, "order.json"
FIRST_DAY = date(2017, 7, 3)
"""The first day of which the broker has data (Fyers API docs, history)."""
SECONDS_KEPT = timedelta(days=40)
"""Calendar days that surely hold the last 30 trading days, of which alone it has bars of seconds."""


class Order(Model, frozen=True, kw_only=True):
    """Days are trading dates, both included. `ordered_ns`: when, in wall ns."""

    since: date
    until: date
    resolution: str
    symbols: Annotated[tuple[NseSymbol, ...], Meta(min_length=1, max_length=MOST_SYMBOLS)]
    ordered_ns: int

    @property
    def bars(self) -> Resolution:
        return parse_resolution(self.resolution)


def make_order(since: date, until: date | None, resolution: str, symbols: tuple[str, ...], now_ns: int) -> Order:
    """A checked order. `until` is yesterday where it is not said. Raises ConfigError with a sentence."""
    today = to_local(now_ns).date()
    last = until or today - timedelta(days=1)
    bars = parse_resolution(resolution)
    if since > last:
        raise ConfigError(f"--since {since} is after --until {last}, so no day is left. Exchange them.")
    if last >= today:
        raise ConfigError(
            f"--until {last}: that day is not over in India, where it is {today}. The newest that can be asked for is"
            f" {today - timedelta(days=1)}; the feed fyers-history brings today's bars."
        )
    if last < FIRST_DAY:
        raise ConfigError(f"--until {last}: the broker has nothing of before {FIRST_DAY}, as its documentation says.")
    if bars.has_seconds and last < today - SECONDS_KEPT:
        raise ConfigError(
            f"--until {last}: the broker has bars of seconds of the last 30 trading days alone. Ask for minutes."
        )
    days = {"since": str(since), "until": str(last)}
    try:
        return validate(Order, {**days, "resolution": bars.name, "symbols": [*symbols], "ordered_ns": now_ns})
    except Refused as refused:
        why = " ".join(str(refused).split())
        raise ConfigError(
            f"The order is refused: {why}. Symbols are written as the broker does, such as NSE:SBIN-EQ."
        ) from None


def is_same(one: Order, other: Order | None) -> bool:
    """Whether both ask for the same, whenever they were given."""
    return other is not None and msgspec.structs.replace(one, ordered_ns=other.ordered_ns) == other


def first_day_asked(order: Order) -> date:
    """The first day that the broker can have at all."""
    if not order.bars.has_seconds:
        return max(order.since, FIRST_DAY)
    return max(order.since, to_local(order.ordered_ns).date() - SECONDS_KEPT)


def journal_of(data_dir: Path) -> Path:
    """The backfill's own journal."""
    return data_dir / BACKFILL_JOURNAL


def save_order(data_dir: Path, order: Order) -> None:
    """Put an order in force in place of the one before. Raises HarvesterError."""
    path = data_dir / FOLDER / FILE
    try:
        make_directory(path.parent)
        replace_file(path, msgspec.json.encode(order), 0o640)
    except OSError as error:
        raise HarvesterError(f"{path}: the order cannot be written ({error.strerror}). {_AS_RECORDER}") from error


def load_order(data_dir: Path) -> Order | None:
    """The order in force; None: there was none. Raises HarvesterError for a file that is none."""
    path = data_dir / FOLDER / FILE
    try:
        return validate(Order, msgspec.json.decode(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, Refused) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise HarvesterError(f"{path}: the order cannot be read ({why}). Give the order again.") from error


_AS_RECORDER = "Its folder is the recorder's: be that user, which the command `harvester` of a host is by itself."
