"""CloudWatch, as a host may use it: put metrics of ours. No more."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harvester.base.aws_names import NAMESPACE
from harvester.base.errors import HarvesterError
from harvester.metrics.measure import Metric

CONNECT_SECONDS, READ_SECONDS = 3, 5
TRIES = 4
"""With the pauses between them, which the SDK doubles, all tries end before the next minute's run."""
SIGN_IN = "On a host the instance's role gives them; elsewhere set AWS_PROFILE or log in to AWS."
ADVICE = (
    ({"AccessDenied", "AccessDeniedException"}, "It needs cloudwatch:PutMetricData for the namespace "
     f"{NAMESPACE}; on a host the instance's role has it: run site.yml."),
    ({"InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException",
      "UnrecognizedClientException"}, f"The credentials are not valid, or no longer. {SIGN_IN}"),
    ({"RequestExpired"}, "The clock here is off. Correct it; `chronyc tracking` shows it."),
    ({"Throttling", "ThrottlingException", "RequestLimitExceeded"}, "The account calls CloudWatch too often; the next"
     " minute tries again."),
)  # fmt: skip


def open_client(region: str | None, endpoint_url: str | None) -> Any:
    """A client that tries again when it is throttled or not answered, `TRIES` times in all. Raises HarvesterError."""
    import botocore.session
    from botocore.config import Config

    options = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        user_agent_extra="alpha-harvester",
    )
    with explained():
        session = botocore.session.get_session()
        return session.create_client("cloudwatch", region_name=region, endpoint_url=endpoint_url, config=options)


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
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        advice = next((text for codes, text in ADVICE if code in codes), "Look up this code in CloudWatch's reference.")
        raise _failure(f"{error}. {advice}") from None
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise _failure(f"{error}. {SIGN_IN}") from None
    except NoRegionError:
        raise _failure("no AWS region is known. Set metrics.region in harvester_settings.") from None
    except (ConnectionError, HTTPClientError) as error:
        raise _failure(f"{error}. Is the network up? The next minute tries again.") from None
    except BotoCoreError as error:
        raise _failure(str(error)) from None


def _failure(text: str) -> HarvesterError:
    return HarvesterError(f"CloudWatch, namespace {NAMESPACE}: {text}")
