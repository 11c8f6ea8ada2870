"""Trading sessions of the exchanges: dated facts in a data file, and the questions asked of them. Imports base."""

from harvester.calendar.model import PhaseName
from harvester.calendar.segments import NSE_CASH, SegmentName
from harvester.calendar.trading import Phase, Session, TradingCalendar

__all__ = ["NSE_CASH", "Phase", "PhaseName", "SegmentName", "Session", "TradingCalendar"]
