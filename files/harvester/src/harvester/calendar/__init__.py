"""Trading sessions of the exchange: dated facts in a data file, and the questions asked of them. Imports base."""

from harvester.calendar.model import PhaseName
from harvester.calendar.trading import Phase, Session, TradingCalendar

__all__ = ["Phase", "PhaseName", "Session", "TradingCalendar"]
