"""Settings of the messages to people."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from harvester.base.validation import Model
from harvester.config.senders import CAUSES, HostCause

StorePlace = Annotated[str, Meta(pattern=r"^(file|ssm|secret):/[A-Za-z0-9_./-]{1,500}\Z")]
TopicArn = Annotated[str, Meta(pattern=r"^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}\Z")]
AwsRegion = Annotated[str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]\Z")]


class AlertSettings(Model, frozen=True):
    """Messages to people: a login that is lacking, a unit that failed, a state that loses data, a script's own."""

    channels: StorePlace = "file:/var/lib/harvester-alert/channels"
    """Where the channels are, one apprise address a line: file:/path or ssm:/name; without it nothing is sent."""
    topic: TopicArn | None = None
    """ARN of a topic of AWS's SNS that is told, too, whether or not there are channels."""
    region: AwsRegion | None = None
    """AWS region of channels and topic; default: the region of the environment."""
    memory: Path = Path("/var/lib/harvester-alert/memory")
    """File that remembers what was said of the login; book.json beside it has all other notices, and what is unsent."""
    daily: bool = False
    """One message for each day, once all that was due on it is settled: a sentence when all is well."""
    causes: tuple[HostCause, ...] = CAUSES
    """What this host tells people of before data is lost; in a fleet one sender alone asks, which the role sees to."""
    inbox: Path = Path("/var/spool/harvester-alert")
    """Folder through which units and scripts hand in notices: `harvester alert`."""
    log_dir: Path = Path("/var/log/harvester-alert")
    """Folder of alerts_YYYY-MM-DD.log, which is kept for 7 days."""
    ports: Path = Path("/run/harvester-alert/ports")
    """File with the ports that the channels need, which the firewall opens for the alerts' user alone."""
