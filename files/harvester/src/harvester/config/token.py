"""Settings of the access token: where it is kept, and how it is renewed."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.validation import Model
from harvester.config.alerting import AwsRegion, StorePlace


class RenewSettings(Model, frozen=True):
    """Where the parts are for an access token without a login; only for accounts that still have that flow."""

    refresh_token: StorePlace = "file:/var/lib/harvester-token/refresh-token"  # noqa: S105  # a place
    """The refresh token."""
    pin: StorePlace = "file:/var/lib/harvester-token/pin"
    """The account's PIN."""
    app_secret: StorePlace = "file:/var/lib/harvester-token/app-secret"  # noqa: S105
    """The app's secret."""
    state: StorePlace = "file:/var/lib/harvester-token/refresh-state"
    """What the broker said to earlier tries: what it refused is not asked again."""


class TokenSettings(Model, frozen=True):
    """Where the token agent finds the broker's access token, and where the recorder does."""

    source: Literal["file", "ssm", "secretsmanager"] = "file"
    """Where the agent looks: a file on this host, an SSM SecureString parameter, or a secret of Secrets Manager."""
    file: Path = Path("/var/lib/harvester-token/credential")
    """The token file, when the source is `file`."""
    parameter: Annotated[str, Meta(pattern=r"^/?[A-Za-z0-9_./-]{1,500}\Z")] | None = None
    """Name of the SSM parameter or of the secret, when the source is not `file`."""
    region: AwsRegion | None = None
    """AWS region of the parameter; default: the region of the environment."""
    handover: Path = Path("/run/harvester-token/access-token")
    """File through which the agent hands the token to the recorder."""
    renew: RenewSettings = RenewSettings()
    """The automatic refresh."""

    def __post_init__(self) -> None:
        if self.source != "file" and self.parameter is None:
            raise ValueError(f"source is {self.source}, so parameter must name the parameter or secret")
        if self.parameter and self.source != "secretsmanager" and not self.parameter.startswith("/"):
            raise ValueError("parameter must begin with /, unless source is secretsmanager")

    @property
    def place(self) -> str:
        """Name of the store, such as ssm:/alpha-harvester/lab/fyers/access-token."""
        kind = {"file": "file", "ssm": "ssm", "secretsmanager": "secret"}[self.source]
        return f"{kind}:{self.file if self.source == 'file' else self.parameter}"
