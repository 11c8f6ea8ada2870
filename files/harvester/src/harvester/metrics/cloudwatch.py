"""CloudWatch, as a host may use it: put metrics of ours. No more."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harvester.base import cloudwatch
from harvester.base.aws_errors import advise, cause_of
from harvester.base.aws_names import NAMESPACE
from harvester.base.errors import HarvesterError
from harvester.metrics.measure import Metric

TRIES = 4
RIGHTS = f"cloudwatch:PutMetricData for the namespace {NAMESPACE}"


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


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever the SDK raises into an error that says what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        advice = advise(cause_of(error), service="CloudWatch", rights=RIGHTS, region="metrics.region")
        raise HarvesterError(f"CloudWatch, namespace {NAMESPACE}: {error}. {advice}") from None
