"""Metrics of live deliveries, by the names that users of rows have: by ticker, and beside ours in their namespace.

DataPointsFetched Count, SupabaseUploadSuccess Count 0 or 1, LatencyMilliseconds, TokenRefreshEvents Count; dimension
Ticker. From a quarter of an hour after the opening each minute has a DataPointsFetched, be it 0: an alarm on their sum
can fire.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.calendar import TradingCalendar
from harvester.config.hours import DayHours
from harvester.config.row_tables import ticker_of
from harvester.config.settings import Settings
from harvester.health.live_rows import LiveState
from harvester.metrics.measure import Metric

FRESH_NS = LATE_NS = 60 * NS_PER_SECOND
QUARTER_NS = 900 * NS_PER_SECOND
"""Of the alarm: a 0 that came sooner after the opening would be an alarm before a row can be there."""
NAME = "rows.json"


class RowCount(msgspec.Struct):
    """What was counted when metrics were last published: since which start, rows by ticker, version of the token."""

    started_at_ns: int = 0
    fetched: dict[str, int] = {}
    token: str = ""


class TickerMetric(NamedTuple):
    """A metric of one ticker."""

    ticker: str
    metric: Metric


def open_tickers(settings: Settings, now_ns: int) -> dict[str, bool]:
    """By ticker, whether rows of it must have come within a quarter of an hour, and more will."""
    calendar = TradingCalendar.load(settings.calendar.file)
    hours = DayHours(settings, calendar, calendar.trading_date(now_ns))
    bars = {symbol: hours.of(symbol).bars for symbol in settings.symbols_of(settings.history)}
    return {
        ticker_of(symbol): bool(due) and due[0].begin_ns + QUARTER_NS + LATE_NS <= now_ns < due[-1].end_ns + LATE_NS
        for symbol, due in bars.items()
    }


def measure_rows(
    state: LiveState, tickers: Mapping[str, bool], last: RowCount | None, token: str, now_ns: int
) -> Iterator[TickerMetric]:
    """Metrics of each ticker since `last`; `tickers` says whether its session is open. `token`: its version.

    Without `last` there is nothing to count from; a service that started anew counts from 0.
    """
    works = abs(now_ns - state.looked_at_ns) < FRESH_NS and not state.failing_since_ns
    before = state.fetched if last is None else last.fetched if last.started_at_ns == state.started_at_ns else {}
    is_renewed = last is not None and token not in ("", last.token)
    for ticker, is_open in tickers.items():
        fetched = state.fetched.get(ticker, 0) - before.get(ticker, 0)
        if is_open or fetched:
            yield TickerMetric(ticker, Metric("DataPointsFetched", fetched, "Count"))
            yield TickerMetric(ticker, Metric("SupabaseUploadSuccess", int(works), "Count"))
        if fetched and ticker in state.latency_ms:
            yield TickerMetric(ticker, Metric("LatencyMilliseconds", state.latency_ms[ticker], "Milliseconds"))
        if is_renewed:
            yield TickerMetric(ticker, Metric("TokenRefreshEvents", 1, "Count"))


def count_rows(state: LiveState, token: str, last: RowCount | None) -> RowCount:
    """What is counted so far; of a token that is not known now, the version that was known last."""
    return RowCount(state.started_at_ns, state.fetched, token or (last.token if last else ""))


def read_row_count(folder: Path) -> RowCount | None:
    """None before the first time, or where the file is damaged: then rows are counted from now on."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=RowCount)
    except (OSError, msgspec.DecodeError):
        return None


def keep_row_count(folder: Path, count: RowCount) -> None:
    """Remember what was counted. Raises HarvesterError."""
    try:
        replace_file(folder / NAME, msgspec.json.encode(count), synced=False)
    except OSError as error:
        raise HarvesterError(
            f"{folder / NAME}: cannot be written ({error.strerror}), so rows cannot be counted. The unit"
            " harvester-metrics makes the folder: systemctl start harvester-metrics."
        ) from error


def describe_rows(found: list[TickerMetric], dimensions: list[dict[str, str]]) -> list[dict[str, Any]]:
    """As CloudWatch takes them, with these dimensions and the ticker."""
    return [
        {
            "MetricName": each.metric.name,
            "Dimensions": [*dimensions, {"Name": "Ticker", "Value": each.ticker}],
            "Value": each.metric.value,
            "Unit": each.metric.unit,
        }
        for each in found
    ]
