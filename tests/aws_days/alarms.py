"""CloudWatch's metrics and alarms as documented: moto keeps both and evaluates neither.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html, .../alarms-and-missing-data.html,
.../alarm-actions.html. Periods are whole minutes, as all of ours are; an alarm is evaluated every minute.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

MORE_THAN_PERIODS = 2
"""So many periods more than EvaluationPeriods are looked at: the documentation's examples have 5 of 3."""
MINUTE = timedelta(minutes=1)
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
STATISTICS: dict[str, Callable[[Iterable[float]], float]] = {"Maximum": max, "Minimum": min, "Sum": sum}


class State(StrEnum):
    """Of an alarm; a new one begins with too little data."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


ACTIONS = {
    State.OK: "OKActions",
    State.ALARM: "AlarmActions",
    State.INSUFFICIENT_DATA: "InsufficientDataActions",
}


def judge(
    points: Sequence[bool | None], now: State, *, periods: int, datapoints: int, missing: str = "missing"
) -> State:
    """The state by the points of the evaluation range, oldest first: breaching, not, or None where there is no data.

    Data that is there counts first, the newest `periods` of it; only what then lacks is filled as `missing` says.
    """
    real = [point for point in points if point is not None][-periods:]
    breaching = sum(real)
    if missing == "breaching":
        breaching += periods - len(real)
    if breaching >= datapoints:
        return State.ALARM
    if missing in ("breaching", "notBreaching") or len(real) == periods or not all(real):
        return State.OK
    if missing == "ignore":
        return now
    if not real:
        return State.INSUFFICIENT_DATA
    return State.ALARM if _is_old_enough(points[-periods:], datapoints) else State.OK


def _is_old_enough(points: Sequence[bool | None], datapoints: int) -> bool:
    """Whether the oldest breaching point is as old as DatapointsToAlarm; what came after it is breaching or missing."""
    return True in points and len(points) - points.index(True) >= datapoints


@dataclass
class Metrics:
    """Values by metric and minute."""

    values: dict[tuple[Any, ...], dict[datetime, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    last: dict[tuple[Any, ...], datetime] = field(default_factory=dict)
    """The newest minute of each metric."""

    def put(self, metric: Mapping[str, Any], value: float, at: datetime) -> None:
        """Keep a value of {"Namespace", "MetricName", "Dimensions"}."""
        key, minute = metric_key(metric), at.replace(second=0, microsecond=0)
        self.values[key][minute].append(value)
        self.last[key] = max(minute, self.last.get(key, minute))

    def read(self, key: tuple[Any, ...], begin: datetime, end: datetime, statistic: str) -> float | None:
        """The statistic of the whole minutes from `begin` to `end`; None where nothing was put."""
        kept = self.values.get(key)
        if not kept:
            return None
        minutes = range(int((end - begin) / MINUTE))
        found = [value for minute in minutes for value in kept.get(begin + minute * MINUTE, ())]
        return STATISTICS[statistic](found) if found else None


def metric_key(metric: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one metric from another."""
    dimensions = sorted((each["Name"], each["Value"]) for each in metric["Dimensions"])
    return metric["Namespace"], metric["MetricName"], tuple(dimensions)


@dataclass
class Alarm:
    """One alarm: its settings as put_metric_alarm takes them, and its state. ActionsEnabled may be switched."""

    settings: dict[str, Any]
    state: State = State.INSUFFICIENT_DATA

    def __post_init__(self) -> None:
        self._key = metric_key(self.settings)

    def evaluate(self, metrics: Metrics, now: datetime) -> list[str]:
        """The actions of a change of state at this whole minute: none while the state stays, however long."""
        state = judge(
            self._points(metrics, now),
            self.state,
            periods=self.settings["EvaluationPeriods"],
            datapoints=self.settings.get("DatapointsToAlarm", self.settings["EvaluationPeriods"]),
            missing=self.settings.get("TreatMissingData", "missing"),
        )
        if state == self.state:
            return []
        self.state = state
        actions: list[str] = self.settings.get(ACTIONS[state], [])
        return list(actions) if self.settings.get("ActionsEnabled", True) else []

    def _points(self, metrics: Metrics, now: datetime) -> list[bool | None]:
        """Of the periods that end with this minute, the oldest first."""
        length, periods = timedelta(seconds=self.settings["Period"]), self.settings["EvaluationPeriods"]
        looked_at = periods + MORE_THAN_PERIODS
        newest = metrics.last.get(self._key)
        if newest is None or newest < now - looked_at * length:
            return [None] * looked_at
        breaches, threshold = COMPARE[self.settings["ComparisonOperator"]], self.settings["Threshold"]
        points: list[bool | None] = []
        for age in range(looked_at, 0, -1):
            begin = now - age * length
            value = metrics.read(self._key, begin, begin + length, self.settings["Statistic"])
            points.append(None if value is None else breaches(value, threshold))
        return points
