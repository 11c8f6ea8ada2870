"""SSM's parameters and Secrets Manager's secrets in this process, under the real clients of the SDK.

They answer as the API references say: of SSM GetParameter, PutParameter, DescribeParameters; of Secrets Manager
GetSecretValue, PutSecretValue, CreateSecret, DescribeSecret, UpdateSecretVersionStage. They fail on demand.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse

WRITTEN = 1_795_000_000
"""When the first version of anything is written, in epoch seconds; each later one a minute later."""


class Raw(io.BytesIO):
    """The part of urllib3's response that the SDK reads."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Refusal(Exception):
    """An answer with one of the service's error codes."""


@dataclass
class Aws:
    """Parameters by name, each version's value in order; secrets by name, each with its versions and stages."""

    parameters: dict[str, list[str | None]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    stages: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    opened: list[tuple[str, str | None]] = field(default_factory=list)
    faults: list[str | Exception] = field(default_factory=list)
    pages: int = 0
    """So many empty pages come before a parameter's description."""

    def names(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def handle(self, request: Any, **_: Any) -> AWSResponse:
        """A handler of the SDK's event before-send."""
        assert "Authorization" in request.headers, "not signed"
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        given = json.loads(body)
        self.asked.append((operation, given))
        try:
            if self.faults:
                fault = self.faults.pop(0)
                raise fault if isinstance(fault, Exception) else Refusal(fault)
            status, said = 200, getattr(self, f"_{operation}")(**given)
        except Refusal as refusal:
            status, said = 400, {"__type": str(refusal), "message": "as told"}
        return AWSResponse("http://aws", status, {}, Raw(json.dumps(said).encode()))

    def _GetParameter(self, Name: str, WithDecryption: bool = False) -> dict[str, Any]:
        name, _, version = Name.partition(":")
        versions = self.parameters.get(name)
        if versions is None:
            raise Refusal("ParameterNotFound")
        number = int(version or len(versions))
        if not 0 < number <= len(versions) or versions[number - 1] is None:
            raise Refusal("ParameterVersionNotFound")
        value = versions[number - 1] if WithDecryption else "AQICAHg-encrypted"
        return {"Parameter": {"Name": name, "Value": value, "Version": number, "LastModifiedDate": self._date(number)}}

    def _PutParameter(self, Name: str, Value: str, Type: str, Overwrite: bool, Tier: str) -> dict[str, Any]:
        assert Type == "SecureString" and Tier in ("Standard", "Advanced", "Intelligent-Tiering")
        if Name in self.parameters and not Overwrite:
            raise Refusal("ParameterAlreadyExists")
        if not Value or (Tier == "Standard" and len(Value) > 4096):
            raise Refusal("ValidationException")
        self.parameters.setdefault(Name, []).append(Value)
        return {"Version": len(self.parameters[Name]), "Tier": "Standard"}

    def _DescribeParameters(self, ParameterFilters: list[dict[str, Any]], NextToken: str = "0") -> dict[str, Any]:
        [asked] = ParameterFilters
        assert (asked["Key"], asked["Option"]) == ("Name", "Equals"), asked
        page = int(NextToken)
        if page < self.pages:
            return {"Parameters": [], "NextToken": str(page + 1)}
        rows = [
            {
                "Name": name,
                "Version": len(self.parameters[name]),
                "LastModifiedDate": self._date(len(self.parameters[name])),
            }
            for name in asked["Values"]
            if name in self.parameters
        ]
        return {"Parameters": rows}

    def _GetSecretValue(self, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, Any]:
        identifier = self._stages(SecretId).get(VersionStage)
        if identifier is None:
            raise Refusal("ResourceNotFoundException")
        versions = self.secrets[SecretId]
        written = self._date([*versions].index(identifier) + 1)
        return {"Name": SecretId, "VersionId": identifier, "SecretString": versions[identifier], "CreatedDate": written}

    def _CreateSecret(self, Name: str, SecretString: str, ClientRequestToken: str) -> dict[str, Any]:
        if Name in self.secrets:
            raise Refusal("ResourceExistsException")
        self.secrets[Name], self.stages[Name] = {ClientRequestToken: SecretString}, {"AWSCURRENT": ClientRequestToken}
        return {"Name": Name, "VersionId": ClientRequestToken}

    def _PutSecretValue(self, SecretId: str, SecretString: str, ClientRequestToken: str) -> dict[str, Any]:
        stages = self._stages(SecretId)
        self.secrets[SecretId][ClientRequestToken] = SecretString
        stages["AWSPREVIOUS"], stages["AWSCURRENT"] = stages["AWSCURRENT"], ClientRequestToken
        return {"Name": SecretId, "VersionId": ClientRequestToken}

    def _DescribeSecret(self, SecretId: str) -> dict[str, Any]:
        stages = self._stages(SecretId)
        named = {one: [stage for stage, other in stages.items() if other == one] for one in self.secrets[SecretId]}
        changed = self._date(len(self.secrets[SecretId]))
        return {
            "Name": SecretId,
            "VersionIdsToStages": {one: by for one, by in named.items() if by},
            "LastChangedDate": changed,
        }

    def _UpdateSecretVersionStage(
        self, SecretId: str, VersionStage: str, MoveToVersionId: str, RemoveFromVersionId: str
    ) -> dict[str, Any]:
        stages = self._stages(SecretId)
        if VersionStage != "AWSCURRENT" or stages[VersionStage] != RemoveFromVersionId:
            raise Refusal("InvalidParameterException")
        assert MoveToVersionId in self.secrets[SecretId]
        stages["AWSCURRENT"], stages["AWSPREVIOUS"] = MoveToVersionId, RemoveFromVersionId
        return {"Name": SecretId}

    def _stages(self, name: str) -> dict[str, str]:
        if name not in self.stages:
            raise Refusal("ResourceNotFoundException")
        return self.stages[name]

    @staticmethod
    def _date(number: int) -> int:
        return WRITTEN + 60 * (number - 1)
