"""What a host brings to CloudWatch: its metrics and its own log."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from harvester.base.validation import Model
from harvester.config.alerting import AwsRegion

EndpointUrl = Annotated[str, Meta(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?\Z")]


class MetricsSettings(Model, frozen=True):
    """What the host publishes of itself in CloudWatch every minute; without an environment nothing is published."""

    environment: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")] | None = None
    """Value of the dimension Environment, such as alpha-harvester-production; default: no metrics."""
    region: AwsRegion | None = None
    """AWS region of the metrics; default: the region of the environment."""
    endpoint_url: EndpointUrl | None = None
    """Another service than Amazon's; default: $AWS_ENDPOINT_URL, else Amazon."""
    also_as: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_./#-]{1,255}\Z")] | None = None
    """Another namespace for the metrics of rows as well, such as AlphaKiteMax/RealTimeStreaming; default: none."""
    state_file: Path = Path("/run/harvester-metrics/published.json")
    """What was counted when metrics were last published, so that each update counts once."""


class LogSettings(Model, frozen=True):
    """The host's own log in CloudWatch; without a group it stays on the host."""

    group: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_/.#-]{1,512}\Z")] | None = None
    """Log group that gets what journald has, in a stream named as the host; default: none."""
    region: AwsRegion | None = None
    """AWS region of the log group; default: the region of the environment."""
    endpoint_url: EndpointUrl | None = None
    """Another service than Amazon's; default: $AWS_ENDPOINT_URL, else Amazon."""
    state_file: Path = Path("/var/lib/harvester-logs/place.json")
    """How far the log was sent."""
