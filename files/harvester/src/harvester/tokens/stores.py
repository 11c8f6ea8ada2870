"""Where an access token is kept: a private file, or an SSM SecureString parameter."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import SecretStr

from harvester.errors import HarvesterError
from harvester.settings import TokenSettings

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

MAX_BYTES = 65_536
MISSING = "ParameterNotFound"


class StoredToken(NamedTuple):
    """What a store holds: the value, and a version that names it without revealing it."""

    value: SecretStr
    version: str


class StoreError(HarvesterError):
    """The store could not be asked; asking again later may help."""


class TokenStore(Protocol):
    """A place that holds one token."""

    def read(self) -> StoredToken | None:
        """The token, or None where none has been stored yet. Raises StoreError."""
        ...


class FileStore:
    """A file with the bare token, mode 0600 or stricter. Its version is the start of the token's SHA-256."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> StoredToken | None:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"{self._path}: the token file cannot be read ({error.strerror}). It must belong to the token agent's"
                " user, mode 0600."
            ) from error
        value = content.decode("utf-8", "replace").strip()
        return (
            StoredToken(SecretStr(value), f"file:{hashlib.sha256(content.strip()).hexdigest()[:8]}") if value else None
        )


class SsmStore:
    """An SSM SecureString parameter. Its version is the parameter's. The endpoint may come from $AWS_ENDPOINT_URL."""

    def __init__(self, parameter: str, region: str | None) -> None:
        self._parameter = parameter
        self._region = region
        self._client: Any = None

    def read(self) -> StoredToken | None:
        answer = self._call("get_parameter", WithDecryption=True)
        if answer is None:
            return None
        parameter = answer["Parameter"]
        return StoredToken(SecretStr(str(parameter["Value"]).strip()), f"ssm:{parameter['Version']}")

    def write(self, value: SecretStr) -> str:
        """Store a new version and return its name, such as "ssm:7". Raises StoreError."""
        answer = self._call("put_parameter", Value=value.get_secret_value(), Type="SecureString", Overwrite=True)
        return f"ssm:{answer['Version']}"

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._connect(), operation)(Name=self._parameter, **arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == MISSING:
                return None
            raise self._explain(error) from None
        except BotoCoreError as error:
            raise self._explain(error) from None

    def _connect(self) -> Any:
        if self._client is None:
            import boto3
            from botocore.config import Config

            limits = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
            self._client = boto3.client("ssm", region_name=self._region, config=limits)
        return self._client

    def _explain(self, error: "ClientError | BotoCoreError") -> StoreError:
        return StoreError(
            f"SSM parameter {self._parameter}: {error}. Check the region, the credentials of this host or user, and"
            " that its role may read and decrypt the parameter."
        )


def open_store(settings: TokenSettings) -> TokenStore:
    """The store that the settings name."""
    if settings.source == "ssm" and settings.parameter:
        return SsmStore(settings.parameter, settings.region)
    return FileStore(settings.file)
