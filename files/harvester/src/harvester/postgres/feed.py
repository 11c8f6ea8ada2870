"""One delivery of a host to a database: which days are due, and what a run did for each."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from harvester.base.clock import Clock
from harvester.base.market import MARKETS
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.deliver.protocol import DayOutcome
from harvester.deliver.receipts import DayReceipt
from harvester.deliver.run import deliver
from harvester.lake.layout import Partition
from harvester.postgres.days import RowDelivery
from harvester.postgres.place import Database
from harvester.price_feed.days import Source
from harvester.price_feed.feed import days_due
from harvester.price_feed.folder import partition_of, working


@dataclass(frozen=True)
class DayResult:
    """What a run did for a day, and the day's receipt after it."""

    name: str
    outcome: DayOutcome
    receipt: DayReceipt

    def describe(self) -> dict[str, Any]:
        """For scripts."""
        places = [path.split("/", 1) for path in self.receipt.files]
        return {
            "date": self.receipt.date,
            "delivery": self.name,
            "place": self.receipt.home,
            "complete": self.outcome.complete,
            "tables": sorted({table for table, _ in places}),
            "symbols": sorted({symbol for _, symbol in places}),
            **self.receipt.counts,
        }


@dataclass(frozen=True)
class DayComparison:
    """How many rows a day has here, and how many of them the database has with the same values.

    `left_out`: why the day has none here.
    """

    name: str
    date: str
    place: str
    rows: int = 0
    equal: int = 0
    left_out: str = ""


class RowFeed:
    """Delivers this host's days to one database."""

    def __init__(self, settings: Settings, delivery: DeliverySettings, place: Database, clock: Clock) -> None:
        self._settings, self._delivery, self._place, self._clock = settings, delivery, place, clock
        self._calendar = TradingCalendar.load(settings.calendar.file, MARKETS[settings.market])
        self._folder = settings.data_dir / "rows" / delivery.name / "tables"
        self._source = Source(settings, self._calendar, self._folder / ".work")

    @property
    def home(self) -> str:
        return self._place.home

    def partition(self, day: date | None = None) -> Partition:
        """A day of this host; default: today."""
        return partition_of(self._settings, day, self._clock)

    def due(self) -> list[Partition]:
        """Closed days with what is delivered, and today once its bars have settled and the time has come."""
        return days_due(self._settings, self._source, self._delivery, self.partition(), self._clock)

    def compare_day(self, day: Partition) -> DayComparison:
        """Read a day's rows from the database, and bring none. Raises HarvesterError as `deliver_day`."""
        delivery = RowDelivery(self._settings, self._calendar, self._delivery, self._folder, self._place)
        name, when = self._delivery.name, day.date.isoformat()
        if nothing := self._source.explain_nothing(day):
            return DayComparison(name, when, self.home, left_out=nothing)
        rows = equal = 0
        with working(self._folder):
            plan = delivery.plan(day)
            for item in () if plan.left_out else plan.items:
                rows, equal = rows + len(item.rows), equal + delivery.count_equal(item)
        return DayComparison(name, when, self.home, rows, equal, plan.left_out)

    def deliver_day(self, day: Partition) -> DayResult:
        """Bring a day's rows as they are here now. Raises HarvesterError as `deliver`."""
        rows = RowDelivery(self._settings, self._calendar, self._delivery, self._folder, self._place)
        if nothing := self._source.explain_nothing(day):
            outcome = DayOutcome(day, left_out=nothing)
        else:
            with working(self._folder):
                outcome = deliver(rows, day)
        return DayResult(self._delivery.name, outcome, rows.receipt(day))
