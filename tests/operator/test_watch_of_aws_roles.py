"""What watches an account: which alarms, drawings and schedules it has by what is there, rendered by Ansible."""

from typing import Any

import pytest
from conditions import LOOK, NAMES, ROOT, evaluate

STEM = NAMES["stem"]
ONE, TWO = f"{STEM}-1", f"{STEM}-2"
TEMPLATES = ROOT / "roles/aws_watch/templates"
OF_EACH_HOST = ("system", "instance", "disk", "memory", "clock", "credits", "silent", "idle", "dues")
TIMED = ("dead-man", "morning", "evening", "token-refresh", "reminder", "ingestion", "etl")
THRESHOLDS: dict[str, tuple[str, float]] = {
    "aws_watch_disk_percent": (f"disk-{ONE}", 71),
    "aws_watch_memory_percent": (f"memory-{ONE}", 72),
    "aws_watch_clock_seconds": (f"clock-{ONE}", 0.25),
    "aws_watch_surplus_credits": (f"credits-{ONE}", 73),
}
"""Each with a value that no other has."""
GONE = {"system": "missing", "instance": "missing", "silent": "notBreaching", "idle": "notBreaching"}
"""What lacks of a host that sleeps: AWS's own checks are missing, our functions count in sessions alone."""


def watched(what: str, *functions: str, hosts: tuple[str, ...] = (ONE,), **variables: Any) -> Any:
    """`alarms`, `dashboard` or `schedules` of an account with these functions and hosts."""
    given = {"aws_account_look": LOOK | {"functions": [*functions]}, "aws_host_names": [*hosts]}
    given |= {"aws_host_ids": dict.fromkeys(hosts, "i-1"), "aws_host_instance_type": "t3.micro"}
    text = f"lookup('ansible.builtin.template', '{TEMPLATES}/{what}.json.j2') | from_json"
    return evaluate("aws_watch", text, given | variables)


def alarms(*functions: str, **different: Any) -> dict[str, Any]:
    """By name without the environment's."""
    found = watched("alarms", *functions, **different)
    return {name.removeprefix(f"{STEM}-"): alarm for name, alarm in found.items()}


def test_each_host_function_and_ticker_has_its_alarms_and_nothing_else_has() -> None:
    found = alarms("etl", "token-page", hosts=(ONE, TWO), aws_watch_rows_tickers=["SPY"])

    of_hosts = {f"{name}-{host}" for name in OF_EACH_HOST for host in (ONE, TWO)}
    assert {*found} == of_hosts | {"errors-etl", "errors-token-page", "throttled-token-page", "rows-SPY"}


def test_a_type_that_earns_no_credits_has_no_alarm_on_them_and_an_account_without_a_host_none_of_hosts() -> None:
    of_host = {f"{name}-{ONE}" for name in OF_EACH_HOST}

    assert {*alarms(aws_host_instance_type="m7g.large")} == of_host - {f"credits-{ONE}"}
    assert {*alarms("etl", hosts=())} == {"errors-etl"}


def test_each_threshold_is_that_of_its_own_variable() -> None:
    found = alarms(**{variable: value for variable, (_, value) in THRESHOLDS.items()})

    assert {name: found[name]["Threshold"] for name, _ in THRESHOLDS.values()} == dict(THRESHOLDS.values())


def test_what_lacks_at_night_is_no_alarm() -> None:
    found = alarms("etl", "token-page", aws_watch_rows_tickers=["SPY"])

    expected = {f"{name}-{ONE}": GONE.get(name, "ignore") for name in OF_EACH_HOST}
    expected |= dict.fromkeys(("errors-etl", "errors-token-page", "throttled-token-page", "rows-SPY"), "notBreaching")
    assert {name: alarm["TreatMissingData"] for name, alarm in found.items()} == expected


def test_an_alarm_of_rows_counts_a_quarter_of_an_hour_of_its_own_ticker() -> None:
    rows = alarms(aws_watch_rows_tickers=["SPY"])["rows-SPY"]

    assert (rows["Statistic"], rows["ComparisonOperator"], rows["Threshold"]) == ("Sum", "LessThanThreshold", 1)
    assert rows["Period"] * rows["EvaluationPeriods"] == 900
    assert {"Name": "Ticker", "Value": "SPY"} in rows["Dimensions"]


@pytest.mark.parametrize(
    ("functions", "hosts", "drawn"),
    [
        ((), (), 0),
        (("etl", "ingestion"), (), 1),
        (("morning",), (ONE,), 5),
        (("etl", "ingestion"), (ONE, TWO), 6),
    ],
)
def test_dashboard_draws_what_is_there_and_nothing_over_another(
    functions: tuple[str, ...], hosts: tuple[str, ...], drawn: int
) -> None:
    """CloudWatch refuses a drawing without metrics."""
    widgets = watched("dashboard", *functions, hosts=hosts)["widgets"]

    assert len(widgets) == drawn
    assert len({(each["x"], each["y"]) for each in widgets}) == drawn
    assert all(each["properties"]["metrics"] for each in widgets)
    of_hosts = [each for each in widgets if each["properties"]["title"] != "Price feed by functions"]
    assert {len(each["properties"]["metrics"]) for each in of_hosts} <= {len(hosts)}


def test_functions_that_go_by_time_are_called_where_they_are_and_morning_where_hosts_sleep() -> None:
    every = watched("schedules", *TIMED, "token-page", "worker-door")

    assert tuple(each["name"] for each in every) == TIMED
    awake = watched("schedules", *TIMED, aws_watch_save_hours=False)
    assert [each["name"] for each in awake] == [name for name in TIMED if name != "morning"]
    assert watched("schedules", "token-page", "worker-door") == []


def test_none_but_the_refresh_is_called_more_rarely_than_the_alarms_on_errors_look() -> None:
    """Where a period has no call an alarm looks at those before it, and would tell of one error twice."""
    schedules = watched("schedules", *TIMED)

    minutes = {each["name"]: each["expression"].removeprefix("cron(").split()[0] for each in schedules}
    steps = {name: int(said.rpartition("/")[2]) if "/" in said else 1 for name, said in minutes.items()}
    assert steps.pop("token-refresh") == 10
    assert {name: step for name, step in steps.items() if step > 5} == {}
    assert all(said.endswith(" * * * ? *)") for said in (e["expression"] for e in schedules if e["name"] in steps))
