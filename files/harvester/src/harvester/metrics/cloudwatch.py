"""CloudWatch, as a host may use it: put metrics of ours. No more."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harvester.base import cloudwatch
from harvester.base.aws_errors import advise, cause_of
from harvester.base.aws_names import NAMESPACE
from harvester.base.errors import HarvesterError
from harvester.metrics.measure import Metric
from harvester.metrics.rows import TickerMetric, describe_rows

TRIES = 4
MOST = 1000
"""Metrics of one call (CloudWatch API reference, PutMetricData)."""
RIGHTS = f"cloudwatch:PutMetricData for the namespace {NAMESPACE}, and for metrics.also_as"


def open_client(region: str | None, endpoint_url: str | None) -> Any:
    """A client of CloudWatch. Raises HarvesterError."""
    with explained():
        return cloudwatch.open_client("cloudwatch", region, endpoint_url, tries=TRIES)


def publish(client: Any, environment: str, host: str, metrics: Sequence[Metric]) -> None:
    """Put all metrics in one call. They get the time of their arrival: a clock that is off must not hide them."""
    dimensions = [{"Name": "Environment", "Value": environment}, {"Name": "Host", "Value": host}]
    data = [
        {"MetricName": metric.name, "Dimensions": dimensions, "Value": metric.value, "Unit": metric.unit}
        for metric in metrics
    ]
    with explained():
        client.put_metric_data(Namespace=NAMESPACE, MetricData=data)


def publish_rows(client: Any, environment: str, also_as: str | None, found: list[TickerMetric]) -> None:
    """Put metrics of rows into our namespace, by environment and ticker, and by ticker alone into the users' own."""
    places = {NAMESPACE: [{"Name": "Environment", "Value": environment}]} | ({also_as: []} if also_as else {})
    for namespace, dimensions in places.items():
        data = describe_rows(found, dimensions)
        for begin in range(0, len(data), MOST):
            with explained():
                client.put_metric_data(Namespace=namespace, MetricData=data[begin : begin + MOST])


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever the SDK raises into an error that says what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        advice = advise(cause_of(error), service="CloudWatch", rights=RIGHTS, region="metrics.region")
        raise HarvesterError(f"CloudWatch, namespace {NAMESPACE}: {error}. {advice}") from None
