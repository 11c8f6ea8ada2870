"""Secrets in AWS: SSM SecureString parameters, and Secrets Manager. The endpoint may come from $AWS_ENDPOINT_URL.

Neither knows compare-and-swap: of two that write at once the later counts, and the version says which that is.
"""

from datetime import datetime
from typing import Any

from harvester.base.aws_errors import cause_of, code_of
from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.tokens.stores import DeniedError, StoredToken, StoredVersion, StoreError, nothing_before

MAX_CHARACTERS = 8_192
"""What a parameter of SSM's advanced tier holds; up to 4,096 the standard tier does."""
LOOK_BACK = 10


def open_client(service: str, region: str | None) -> Any:
    """A boto3 client that gives up soon: whoever asks here has a last good value and asks again."""
    import boto3
    from botocore.config import Config

    limits = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client(service, region_name=region, config=limits)


class _AwsStore:
    """What both have in common: calls, and what is said when one fails."""

    service = ""
    label = ""

    def __init__(self, name: str, region: str | None) -> None:
        self._name = name
        self._region = region
        self._client: Any = None

    @property
    def place(self) -> str:
        return f"{self.label} {self._name}"

    def _call(self, operation: str, **arguments: Any) -> Any:
        """The answer, or None where the thing asked for does not exist. Raises StoreError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = open_client(self.service, self._region)
            return getattr(self._client, operation)(**arguments)
        except (BotoCoreError, ClientError) as error:
            cause = cause_of(error)
            if cause == "missing":
                return None
            raise self._explain(cause, error) from None

    def _explain(self, cause: str, error: Exception) -> StoreError:
        if cause == "throttled":
            return StoreError(
                f"{self.place}: AWS is being asked too often ({code_of(error)}). The last good token keeps working; try"
                " again in a minute."
            )
        kind = DeniedError if cause == "denied" else StoreError
        return kind(
            f"{self.place}: {error}. Check the region, the credentials of this host or user, and that its role may"
            " read and decrypt it."
        )

    def _fits(self, value: Secret) -> str:
        text = value.get_secret_value()
        if not 0 < len(text) <= MAX_CHARACTERS:
            raise StoreError(f"{self.place}: a value has 1 to {MAX_CHARACTERS} characters, this one {len(text)}.")
        return text


class SsmStore(_AwsStore):
    """An SSM SecureString parameter. Its version is the parameter's; SSM keeps the last hundred."""

    service, label = "ssm", "SSM parameter"

    def read(self) -> StoredToken | None:
        return self._read(self._name)

    def look(self) -> StoredVersion | None:
        asked: dict[str, Any] = {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [self._name]}]}
        while True:  # a page may be empty though another one follows
            answer = self._call("describe_parameters", **asked)
            for found in answer["Parameters"]:
                return StoredVersion(f"ssm:{found['Version']}", _ns(found.get("LastModifiedDate")))
            if not answer.get("NextToken"):
                return None
            asked["NextToken"] = answer["NextToken"]

    def _read(self, name: str) -> StoredToken | None:
        answer = self._call("get_parameter", Name=name, WithDecryption=True)
        if answer is None:
            return None
        found = answer["Parameter"]
        value = Secret(str(found["Value"]).strip())
        return StoredToken(value, f"ssm:{found['Version']}", _ns(found.get("LastModifiedDate")))

    def write(self, value: Secret) -> str:
        answer = self._call(
            "put_parameter",
            Name=self._name,
            Value=self._fits(value),
            Type="SecureString",
            Overwrite=True,
            Tier="Intelligent-Tiering",
        )
        return f"ssm:{answer['Version']}"

    def previous(self) -> StoredToken | None:
        present = self.read()
        if present is None:
            return None
        number = int(present.version.partition(":")[2])
        for earlier in range(number - 1, max(0, number - 1 - LOOK_BACK), -1):
            found = self._read(f"{self._name}:{earlier}")
            if found and found.value.get_secret_value() != present.value.get_secret_value():
                return found
        return None

    def undo(self) -> str:
        previous = self.previous()
        if previous is None:
            raise nothing_before(self.place)
        return self.write(previous.value)


class SecretsManagerStore(_AwsStore):
    """A secret. Its version is the start of Secrets Manager's version id; the one before is kept as AWSPREVIOUS."""

    service, label = "secretsmanager", "secret"

    def read(self) -> StoredToken | None:
        return self._read("AWSCURRENT")

    def look(self) -> StoredVersion | None:
        """The moment is that of the last change to anything about the secret."""
        found = self._call("describe_secret", SecretId=self._name) or {}
        current = [one for one, stages in found.get("VersionIdsToStages", {}).items() if "AWSCURRENT" in stages]
        return StoredVersion(_secret_version(current[0]), _ns(found.get("LastChangedDate"))) if current else None

    def previous(self) -> StoredToken | None:
        return self._read("AWSPREVIOUS")

    def _read(self, stage: str) -> StoredToken | None:
        found = self._call("get_secret_value", SecretId=self._name, VersionStage=stage)
        if found is None:
            return None
        value = Secret(str(found["SecretString"]).strip())
        return StoredToken(value, _secret_version(found["VersionId"]), _ns(found.get("CreatedDate")))

    def write(self, value: Secret) -> str:
        text = self._fits(value)
        answer = self._call("put_secret_value", SecretId=self._name, SecretString=text)
        if answer is None:
            answer = self._call("create_secret", Name=self._name, SecretString=text)
        return _secret_version(answer["VersionId"])

    def undo(self) -> str:
        ids = {}
        for stage in ("AWSCURRENT", "AWSPREVIOUS"):
            found = self._call("get_secret_value", SecretId=self._name, VersionStage=stage)
            if found is None:
                raise nothing_before(self.place)
            ids[stage] = found["VersionId"]
        self._call(
            "update_secret_version_stage",
            SecretId=self._name,
            VersionStage="AWSCURRENT",
            MoveToVersionId=ids["AWSPREVIOUS"],
            RemoveFromVersionId=ids["AWSCURRENT"],
        )
        return _secret_version(ids["AWSPREVIOUS"])


def _secret_version(identifier: str) -> str:
    return f"secret:{identifier[:8]}"


def _ns(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) * NS_PER_SECOND if moment else None
