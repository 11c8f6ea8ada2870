"""Metrics of live rows: what counts as one more since the minute before, whatever was not known in it."""

import pytest

from harvester.health.live_rows import LiveState
from harvester.metrics.rows import RowCount, count_rows, measure_rows

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
