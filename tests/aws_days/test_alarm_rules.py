"""The evaluator of alarms against the examples of CloudWatch's documentation ("Configuring how CloudWatch alarms treat
missing data", "Alarm evaluation", "Alarm actions"): 0 is a point within the threshold, X one beyond it, - none.
"""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from tests.aws_days.alarms import Alarm, Metrics, State, judge

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
OK, ALARM, UNKNOWN, KEEP = State.OK, State.ALARM, State.INSUFFICIENT_DATA, None
POINTS = {"0": False, "X": True, "-": None}
METRIC = {"Namespace": "N", "MetricName": "M", "Dimensions": [{"Name": "Host", "Value": "h1"}]}
BEGIN = datetime(2026, 11, 20, 4, tzinfo=UTC)


def judged(points: str, missing: str, now: State, datapoints: int) -> State:
    return judge([POINTS[each] for each in points.split()], now, periods=3, datapoints=datapoints, missing=missing)


@pytest.mark.parametrize(
    ("datapoints", "points", "expected"),
    [
        (3, "0 - X - X", (OK, OK, OK, OK)),
        (3, "0 - - - -", (OK, OK, OK, OK)),
        (3, "- - - - -", (UNKNOWN, KEEP, ALARM, OK)),
        (3, "0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
        (3, "- - X - -", (ALARM, KEEP, ALARM, OK)),
        (2, "0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0 - X - -", (OK, OK, ALARM, OK)),
        (2, "- - - - 0", (OK, OK, ALARM, OK)),
        (2, "- - - X -", (ALARM, KEEP, ALARM, OK)),
    ],
)
def test_each_row_of_the_documentation(datapoints: int, points: str, expected: tuple[State | None, ...]) -> None:
    for (missing, wanted), now in product(zip(TREATMENTS, expected, strict=True), State):
        assert judged(points, missing, now, datapoints) == (now if wanted is KEEP else wanted), (missing, now)


@pytest.mark.parametrize("points", ["- - - - X", "- - - X -", "- - - X 0", "- - X - 0"])
def test_a_breach_that_the_next_point_may_contradict_is_no_alarm_yet(points: str) -> None:
    assert judged(points, "missing", OK, 3) == OK


def alarm(**different: object) -> Alarm:
    settings = {
        **METRIC, "Statistic": "Maximum", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0.0, "Period": 60,
        "EvaluationPeriods": 1, "TreatMissingData": "breaching", "AlarmActions": ["alarm"], "OKActions": ["ok"],
    }  # fmt: skip
    return Alarm({**settings, **different})


def lived(one: Alarm, values: dict[int, float], minutes: int) -> dict[int, list[str]]:
    """The actions by the minute in which they happen, with these values put in these minutes."""
    metrics = Metrics()
    for minute, value in values.items():
        metrics.put(METRIC, value, BEGIN + timedelta(minutes=minute, seconds=20))
    found = {minute: one.evaluate(metrics, BEGIN + timedelta(minutes=minute)) for minute in range(1, minutes)}
    return {minute: actions for minute, actions in found.items() if actions}


def test_actions_come_with_a_change_of_state_and_not_while_it_lasts() -> None:
    assert lived(alarm(), {minute: float(minute >= 20) for minute in range(60)}, 60) == {1: ["ok"], 21: ["alarm"]}


def test_what_changed_while_actions_were_switched_off_is_never_told_later() -> None:
    one = alarm(ActionsEnabled=False)
    assert lived(one, {}, 60) == {}
    one.settings["ActionsEnabled"] = True
    assert one.state == ALARM
    assert lived(one, {}, 600) == {}


def test_a_longer_period_is_one_point_whose_statistic_counts() -> None:
    sums = alarm(Period=300, Statistic="Sum", Threshold=4.0, TreatMissingData="notBreaching")

    values = {minute: float(minute in range(10, 15)) for minute in range(30)}
    assert lived(sums, values, 30) == {1: ["ok"], 15: ["alarm"], 16: ["ok"]}
