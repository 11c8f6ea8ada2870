"""Metrics of live rows: what counts as one more since the minute before, whatever was not known in it."""

import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from harvester.base.errors import HarvesterError
from harvester.health.live_rows import LiveState
from harvester.metrics.cloudwatch import MOST, publish, publish_rows
from harvester.metrics.measure import Metric, UpdateCount, count_updates, keep_count, measure_recorder, read_count
from harvester.metrics.rows import (
    FRESH_NS,
    RowCount,
    TickerMetric,
    count_rows,
    keep_row_count,
    measure_rows,
    read_row_count,
)

NOW = 1_795_000_000_000_000_000
Minute = tuple[int, dict[str, int], str]
"""Since which start the service counts, rows by ticker, version of the token; empty: not known in this minute."""


def run(minutes: list[Minute], name: str) -> list[float]:
    """The sums of a metric, minute by minute, from the second on."""
    last: RowCount | None = None
    found = []
    for started_ns, fetched, token in minutes:
        state = LiveState(started_at_ns=started_ns, fetched=fetched, looked_at_ns=NOW)
        metrics = [each.metric for each in measure_rows(state, {"SBIN": True, "INFY": True}, last, token, NOW)]
        found.append(sum(each.value for each in metrics if each.name == name))
        last = count_rows(state, token, last)
    return found[1:]


@pytest.mark.parametrize(
    ("tokens", "events"),
    [
        (["a", "a", "b", "b"], [0, 1, 0]),
        (["a", "", "a"], [0, 0]),
        (["a", "", "", "b"], [0, 0, 1]),
        (["", "a", "a"], [1, 0]),
        (["a", "b", "a"], [1, 1]),
    ],
)
def test_a_token_is_renewed_once_also_over_minutes_in_which_nobody_knew_it(
    tokens: list[str], events: list[int]
) -> None:
    found = run([(1, {}, token) for token in tokens], "TokenRefreshEvents")

    assert [count / 2 for count in found] == events  # of each ticker


def test_rows_are_counted_from_nothing_by_a_service_that_started_anew() -> None:
    minutes = [(1, {"SBIN": 5}, ""), (1, {"SBIN": 7}, ""), (2, {"SBIN": 4}, ""), (2, {"SBIN": 4, "INFY": 2}, "")]

    assert run(minutes, "DataPointsFetched") == [2, 4, 2]


LAST = RowCount(1, {"SBIN": 5}, "a")
FETCHED = TickerMetric("SBIN", Metric("DataPointsFetched", 2, "Count"))


def measured(tickers: dict[str, bool], version: str = "a", **state: Any) -> list[tuple[Any, ...]]:
    known: dict[str, Any] = {
        "started_at_ns": 1,
        "fetched": {"SBIN": 7},
        "looked_at_ns": NOW,
        "latency_ms": {"SBIN": 1250},
    } | state
    return [(ticker, *metric) for ticker, metric in measure_rows(LiveState(**known), tickers, LAST, version, NOW)]


def test_each_metric_has_the_name_and_unit_that_users_of_rows_know() -> None:
    assert measured({"SBIN": True}, "b") == [
        ("SBIN", "DataPointsFetched", 2, "Count"),
        ("SBIN", "SupabaseUploadSuccess", 1, "Count"),
        ("SBIN", "LatencyMilliseconds", 1250, "Milliseconds"),
        ("SBIN", "TokenRefreshEvents", 1, "Count"),
    ]


def test_an_open_session_has_a_count_of_nothing_and_a_closed_one_has_what_came_all_the_same() -> None:
    """An alarm on the sum of an open session must be able to fire; latency is of rows that came."""
    quiet: dict[str, Any] = {"fetched": {"SBIN": 5}}
    names = [[name for _, name, _, _ in measured({"SBIN": is_open}, **state)]
             for is_open, state in ((True, quiet), (False, quiet), (False, {}))]  # fmt: skip

    came = ["DataPointsFetched", "SupabaseUploadSuccess"]
    assert names == [came, [], [*came, "LatencyMilliseconds"]]
    assert measured({"SBIN": True}, **quiet)[0] == ("SBIN", "DataPointsFetched", 0, "Count")
    assert [name for _, name, _, _ in measured({"SBIN": True}, latency_ms={})] == came


@pytest.mark.parametrize(
    ("state", "works"),
    [
        ({}, 1),
        ({"looked_at_ns": NOW - FRESH_NS + 1}, 1),
        ({"looked_at_ns": NOW - FRESH_NS}, 0),
        ({"looked_at_ns": NOW + FRESH_NS}, 0),
        ({"failing_since_ns": 1}, 0),
    ],
)
def test_a_delivery_works_that_looked_within_the_minute_and_does_not_fail(state: dict[str, Any], works: int) -> None:
    assert measured({"SBIN": True}, **state)[1] == ("SBIN", "SupabaseUploadSuccess", works, "Count")


def test_metrics_of_rows_are_put_by_ticker_into_our_namespace_and_by_ticker_alone_into_the_users() -> None:
    client = Mock()
    publish_rows(client, "test", "Theirs/Own", [FETCHED] * (MOST + 1))

    ours, theirs = {"Name": "Environment", "Value": "test"}, {"Name": "Ticker", "Value": "SBIN"}
    row = {"MetricName": "DataPointsFetched", "Value": 2, "Unit": "Count"}
    calls = [call.kwargs for call in client.put_metric_data.call_args_list]
    assert [(call["Namespace"], len(call["MetricData"])) for call in calls] == [
        ("AlphaHarvester", MOST), ("AlphaHarvester", 1), ("Theirs/Own", MOST), ("Theirs/Own", 1)
    ]  # fmt: skip
    assert calls[1]["MetricData"] == [row | {"Dimensions": [ours, theirs]}]
    assert calls[3]["MetricData"] == [row | {"Dimensions": [theirs]}]
    assert all(call.keys() == {"Namespace", "MetricData"} for call in calls)


def test_without_a_namespace_of_users_ours_alone_gets_rows_and_nothing_is_no_call() -> None:
    client = Mock()
    publish_rows(client, "test", None, [])
    publish_rows(client, "test", None, [FETCHED])

    assert [call.kwargs["Namespace"] for call in client.put_metric_data.call_args_list] == ["AlphaHarvester"]


def test_a_hosts_metrics_go_out_in_one_call_with_environment_and_host() -> None:
    client = Mock()
    publish(client, "test", "h1", [Metric("Updates", 3, "Count"), Metric("MemoryUsedPercent", 75.0, "Percent")])

    where = {"Dimensions": [{"Name": "Environment", "Value": "test"}, {"Name": "Host", "Value": "h1"}]}
    client.put_metric_data.assert_called_once_with(
        Namespace="AlphaHarvester",
        MetricData=[
            {"MetricName": "Updates", **where, "Value": 3, "Unit": "Count"},
            {"MetricName": "MemoryUsedPercent", **where, "Value": 75.0, "Unit": "Percent"},
        ],
    )


def test_a_recorder_has_updates_since_the_last_time_and_its_clocks_offset_beyond_half_a_second() -> None:
    status = {"run_id": "one", "symbols": {"A": {"updates": 4}, "B": {"updates": 3}}, "window": {"open": True}}
    with_clock = status | {"clock": {"offset_ns": -3_250_000_000}}

    assert list(measure_recorder(with_clock, UpdateCount("one", 5))) == [
        ("Updates", 2, "Count"), ("ClockOffsetSeconds", 2.75, "Seconds")
    ]  # fmt: skip
    assert list(measure_recorder(status, UpdateCount("two", 5))) == [("Updates", 7, "Count")]
    assert list(measure_recorder(status, None)) == []
    assert count_updates({"run_id": "one"}) == UpdateCount("one", 0), "before the first symbol is there"


def test_what_was_counted_is_read_again_and_what_is_damaged_is_none(tmp_path: Path) -> None:
    assert read_row_count(tmp_path) is None
    keep_row_count(tmp_path, LAST)
    assert read_row_count(tmp_path) == LAST
    (tmp_path / "rows.json").write_text("{")
    assert read_row_count(tmp_path) is None
    assert read_count(tmp_path / "absent") is None


def test_a_folder_that_is_not_there_is_told_with_the_unit_that_makes_it(tmp_path: Path) -> None:
    at = re.escape(str(tmp_path / "nowhere"))
    unit = r"The unit harvester-metrics makes the folder: systemctl start harvester-metrics"
    with pytest.raises(HarvesterError, match=rf"^{at}/rows\.json: cannot be written \(No such.*counted\. {unit}\.$"):
        keep_row_count(tmp_path / "nowhere", LAST)
    setting = r"; or correct metrics\.state_file in harvester_settings\.$"
    with pytest.raises(HarvesterError, match=rf"^{at}/s\.json: cannot be used \(No such .*counted\. {unit}{setting}"):
        keep_count(tmp_path / "nowhere" / "s.json", UpdateCount("one", 5))
