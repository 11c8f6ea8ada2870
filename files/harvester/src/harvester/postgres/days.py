"""Whole days into a database: what the lake has of a closed day; of today the bars, from the journal."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.market import MARKETS, Market
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import DeliverySettings
from harvester.config.hours import DayHours
from harvester.config.row_tables import RowTable
from harvester.config.settings import Settings
from harvester.deliver.protocol import Item, ItemError, Plan
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, now, save
from harvester.lake.layout import Partition
from harvester.live.bars import Minute
from harvester.postgres.columns import Row, TableLayout, layout_of
from harvester.postgres.lake_rows import LakeRows, kinds_of
from harvester.postgres.merge import Merged
from harvester.postgres.minutes import rows_of, tickers_of
from harvester.postgres.place import Database
from harvester.price_feed.days import ClosedDay, FeedDay, Source


@dataclass(frozen=True)
class RowItem(Item):
    """The rows of a symbol and a day in one table. Size and SHA-256 are of the rows as text."""

    layout: TableLayout
    rows: list[Row]


def layouts_of(delivery: DeliverySettings, market: Market) -> tuple[TableLayout, ...]:
    """The tables of a delivery of a market's bars and books. Raises ConfigError."""
    tables = delivery.row_tables
    return tuple(layout_of(table, {} if table.is_live else kinds_of(table), market.digits) for table in tables)


def item_of(layout: TableLayout, symbol: str, rows: Iterable[Row]) -> RowItem:
    """The rows of a symbol as an item, which is named by its table."""
    kept = list(rows)
    text = "\n".join("\t".join(map(_say, row)) for row in kept).encode()
    return RowItem(f"{layout.full_name}/{symbol}", len(text), hashlib.sha256(text).hexdigest(), layout, kept)


def _say(value: object) -> str:
    return "\\N" if value is None else str(value)


class RowDelivery:
    """Delivers the rows of days; `folder` is where receipts are kept."""

    def __init__(
        self, settings: Settings, calendar: TradingCalendar, delivery: DeliverySettings, folder: Path, place: Database
    ) -> None:
        self._settings, self._calendar, self._delivery = settings, calendar, delivery
        self._folder, self._place = folder, place
        self._source = Source(settings, calendar, folder / ".work")
        self._layouts = {layout.full_name: layout for layout in layouts_of(delivery, MARKETS[settings.market])}

    def plan(self, day: Partition) -> Plan[RowItem]:
        """An item for each symbol and table, made one by one."""
        found = self._source.open(day)
        # A day that is not over has no table of the lake yet: those come when it is closed.
        tables = [each for each in self._delivery.row_tables if each.is_live or isinstance(found, ClosedDay)]
        plan: Plan[RowItem] = Plan(seal=found.seal, items=(), left_out=found.left_out)
        plan.items = self._items(day, found, tables, plan)
        return plan

    def _items(self, day: Partition, found: FeedDay, tables: list[RowTable], plan: Plan[RowItem]) -> Iterator[RowItem]:
        records = 0
        try:
            for item in chain(self._minutes(day, found, tables), self._of_lake(day, tables)):
                records += len(item.rows)
                yield item
        except HarvesterError as error:
            raise ItemError(str(error)) from error
        plan.counts = {"records": records, **found.counts()}

    def _minutes(self, day: Partition, found: FeedDay, tables: list[RowTable]) -> Iterator[RowItem]:
        hours = DayHours(self._settings, self._calendar, day.date)
        tickers: dict[str, str] = {}
        if not any(table.is_live for table in tables):
            return
        for symbol, bars in found.bars():
            tickers = tickers_of([*tickers, symbol])
            in_force = [Minute(bar.begin_ns, bar.close, bar.volume) for bar in bars]
            rows = rows_of(tickers[symbol], in_force, hours.in_session(symbol), found.market.units)
            for table in tables:
                if table.is_live and rows[table.rows]:
                    yield item_of(self._layouts[table.full_name], symbol, rows[table.rows])

    def _of_lake(self, day: Partition, tables: list[RowTable]) -> Iterator[RowItem]:
        lake = LakeRows(self._settings.lake_dir, day)
        for table in tables:
            for symbol in () if table.is_live else lake.symbols(table):
                item = item_of(self._layouts[table.full_name], symbol, lake.rows(table, symbol))
                if item.rows:
                    yield item

    def put(self, item: RowItem) -> Merged:
        """Bring the rows in one transaction. Raises DatabaseError, which ends the run: others would meet it, too."""
        return self._place.merge({item.layout.full_name: item.rows})[item.layout.full_name]

    def verify(self, item: RowItem, sent: Merged) -> VerifiedObject:
        """Read the rows back."""
        found = self._place.read_back(item.layout, item.rows)
        if found != item.rows:
            same = len(set(found) & set(item.rows))
            raise ItemError(
                f"{item.layout.full_name}: of {len(item.rows)} rows of {item.path.rpartition('/')[2]} that were"
                f" committed {same} are there as they were sent. Another program, a trigger or a policy of the table"
                " changes or hides them: look for it; the next run brings them again."
            )
        merged = f"{sent.inserted} inserted, {sent.updated} updated"
        return VerifiedObject(item.path, item.bytes, item.sha256, item.path, merged, "", None, now())

    def count_equal(self, item: RowItem) -> int:
        """How many of the rows are in the table as they are here. Raises DatabaseError."""
        return len(set(self._place.read_back(item.layout, item.rows)) & set(item.rows))

    def receipt(self, day: Partition) -> DayReceipt:
        return load(self._folder, day, self._place.home)

    def keep(self, day: Partition, receipt: DayReceipt) -> None:
        save(self._folder, day, receipt)
