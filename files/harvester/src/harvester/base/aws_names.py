"""Names of everything in AWS: built here and nowhere else, for roles, functions, hosts and operators' tasks.

Needs the standard library alone, because the functions carry this file in their archives.
"""

import re
from dataclasses import dataclass

from harvester.base.errors import ConfigError

PROJECT = "alpha-harvester"
MANAGED_BY = "alpha-harvester"
NAMESPACE = "AlphaHarvester"
"""CloudWatch namespace of our metrics; the dimension Environment is `Names.stem`, the dimension Host a host's name."""
WORD = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?\Z")
ACCOUNT = re.compile(r"^[0-9]{12}\Z")
BUCKET = re.compile(r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\Z")
LAKE_PREFIX = "lake/"
"""The bucket holds the lake under this prefix, by the same relative paths, manifests included."""

WORKER_INBOX = "workers/inbox/"
"""Below it, a folder for each worker: error reports that the function worker-door took, until they are taken."""

SECRETS = {
    "access_token": "fyers/access-token",
    "app_secret": "fyers/app-secret",
    "refresh_token": "fyers/refresh-token",
    "pin": "fyers/pin",
    "refresh_state": "fyers/refresh-state",
    "schwab_access_token": "schwab/access-token",
    "schwab_app_secret": "schwab/app-secret",
    "schwab_refresh_token": "schwab/refresh-token",
    "page_key": "token-page/signing-key",
    "channels": "alerts/channels",
    "postgres_dsn": "postgres/dsn",
    "application_variables": "application/variables",
    "database_password": "database/password",
    "rclone_token": "rclone/token",
    "worker_tokens": "workers/door-tokens",
    "reminder_state": "alerts/reminder-state",
    "feed_state": "price-feed/state",
}
"""Secrets by what they are, and their parameters below `/<project>/<environment>/`; the states are kept like them."""
USED_LINKS = "token-page/used/"
"""Below it, a parameter for each link and each login of the token page that was used."""
FUNCTIONS = (
    "dead-man", "morning", "evening", "token-page", "token-refresh", "reminder", "ingestion", "etl", "worker-door",
)  # fmt: skip
ROLES = ("host", *FUNCTIONS, "scheduler", "operator")


@dataclass(frozen=True)
class Names:
    """The names of one environment of one project, such as `alpha-harvester` and `production`.

    Raises ConfigError for a word that AWS would refuse somewhere. `bucket` overrides the rule where that name is taken.
    """

    environment: str
    project: str = PROJECT
    region: str = "ap-south-1"
    bucket_override: str = ""

    def __post_init__(self) -> None:
        for what, word in (("project", self.project), ("environment", self.environment)):
            if not WORD.match(word):
                raise ConfigError(
                    f"{what} {word!r}: the name may have lower-case letters, digits and dashes only,"
                    " such as lab or production."
                )
        if len(self.stem) > 35:
            raise ConfigError(f"{self.stem}: project and environment together may have 34 characters, for AWS's names.")
        if self.bucket_override and not BUCKET.match(self.bucket_override):
            raise ConfigError(f"bucket {self.bucket_override!r}: 3 to 63 lower-case letters, digits and dashes.")

    @property
    def stem(self) -> str:
        """What every name begins with, such as alpha-harvester-production."""
        return f"{self.project}-{self.environment}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource; inventory, costs and destroy go by them."""
        return {"Project": self.project, "Environment": self.environment, "ManagedBy": MANAGED_BY}

    @property
    def parameter_prefix(self) -> str:
        """Where this environment's parameters lie, without a slash at the end."""
        return f"/{self.project}/{self.environment}"

    def parameter(self, secret: str) -> str:
        """SSM parameter of one of SECRETS, such as /alpha-harvester/lab/fyers/access-token."""
        return f"{self.parameter_prefix}/{SECRETS[secret]}"

    @property
    def schwab_secret(self) -> str:
        """Secret of Secrets Manager that may hold Schwab's login instead of a parameter, by the name users have."""
        return f"schwab-api-token-{self.environment}"

    def bucket(self, account: str) -> str:
        """The bucket; account and region are in its name because bucket names are shared by the whole world."""
        if not ACCOUNT.match(account):
            raise ConfigError(f"account {account!r}: an AWS account has 12 digits.")
        return self.bucket_override or f"{self.stem}-{account}-{self.region}"

    @property
    def trail(self) -> str:
        """CloudTrail's trail and Access Analyzer's analyzer, where this environment sees to the whole account."""
        return self.stem

    def trail_bucket(self, account: str) -> str:
        """The bucket of the trail's logs."""
        return f"{self.stem}-trail-{account}"

    @property
    def topic(self) -> str:
        """SNS topic of alerts."""
        return f"{self.stem}-alerts"

    def role(self, name: str) -> str:
        """IAM role of one of ROLES; a host's instance profile is called the same."""
        return f"{self.stem}-{ROLES[ROLES.index(name)]}"

    def function(self, name: str) -> str:
        """Lambda function of one of FUNCTIONS."""
        return f"{self.stem}-{FUNCTIONS[FUNCTIONS.index(name)]}"

    def function_log_group(self, name: str) -> str:
        """Log group that Lambda writes to for one of FUNCTIONS."""
        return f"/aws/lambda/{self.function(name)}"

    @property
    def host_log_group(self) -> str:
        """Log group that the hosts send their own log to, a stream each, such as /alpha-harvester/production/hosts."""
        return f"{self.parameter_prefix}/hosts"

    @property
    def schedule_group(self) -> str:
        """EventBridge Scheduler group; deleting it deletes every schedule of this environment."""
        return self.stem

    @property
    def key_pair(self) -> str:
        return self.stem

    @property
    def security_group(self) -> str:
        return f"{self.stem}-host"

    @property
    def dashboard(self) -> str:
        return self.stem

    @property
    def budget(self) -> str:
        return self.stem

    @property
    def database(self) -> str:
        """Athena's database, in the Glue Data Catalog; without dashes, because queries would have to quote them."""
        return self.stem.replace("-", "_")

    def alarm(self, what: str) -> str:
        """CloudWatch alarm, such as alpha-harvester-production-idle-<host>."""
        return f"{self.stem}-{what}"

    def host(self, number: int) -> str:
        """Name of the n-th host, counted from 1: tag Name, inventory name, and the lake's host part."""
        return f"{self.stem}-{number}"
