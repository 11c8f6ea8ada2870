"""Policies of the token functions, from their table: exactly the calls that they make, on exactly their parameters.

The table is files/functions/token_permissions.json. Parameters are named by what they are (aws_names.SECRETS).
Encryption is by the account's own key for SSM, which lets those decrypt who may read, so no action of KMS is needed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harvester.base.aws_names import SECRETS, USED_LINKS, Names
from harvester.tokens.places import IN_SECRETS_MANAGER

BELOW = {"used_links": USED_LINKS}


def statements(
    table: Path, function: str, names: Names, account: str, partition: str = "aws", schwab: str = ""
) -> list[dict[str, Any]]:
    """The statements of one function's policy, its own log group included.

    `schwab`: where Schwab's login is, in the stead of an access token: ssm or secretsmanager; empty: it is none.
    """
    rows: list[dict[str, Any]] = json.loads(table.read_bytes())[function]
    here = f"{names.region}:{account}"
    if schwab:
        for row in rows:
            if "access_token" in row.get("parameters", ()):
                own = ["schwab_access_token"] if schwab == "ssm" else []
                row["parameters"] = [*own, *(each for each in row["parameters"] if each != "access_token")]
        if schwab != "ssm":
            rows.append({"sid": "LookAtTheLogin", "actions": ["secretsmanager:GetSecretValue"], "schwab_secret": True})
    found = [_allow(row["sid"], row["actions"], list(_arns(row, names, partition, here))) for row in rows]
    log = f"arn:{partition}:logs:{here}:log-group:{names.function_log_group(function)}:*"
    return [*found, _allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [log])]


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _arns(row: Mapping[str, Any], names: Names, partition: str, here: str) -> Iterator[str]:
    for secret in row.get("parameters", ()):
        if secret in IN_SECRETS_MANAGER:
            raise ValueError(f"{secret} is in Secrets Manager")
        yield f"arn:{partition}:ssm:{here}:parameter{names.parameter(secret)}"
    for secret in row.get("secrets", ()):
        # AWS ends a secret's ARN in a dash and six characters of its own
        yield f"arn:{partition}:secretsmanager:{here}:secret:{names.parameter_prefix}/{SECRETS[secret]}-??????"
    if row.get("schwab_secret"):
        yield f"arn:{partition}:secretsmanager:{here}:secret:{names.schwab_secret}-??????"
    for path in row.get("below", ()):
        arn = f"arn:{partition}:ssm:{here}:parameter{names.parameter_prefix}/{BELOW[path]}"
        yield from (arn.rstrip("/"), f"{arn}*") if "ssm:GetParametersByPath" in row["actions"] else (f"{arn}*",)
    for function in row.get("functions", ()):
        yield f"arn:{partition}:lambda:{here}:function:{names.function(function)}"
    if row.get("topic"):
        yield f"arn:{partition}:sns:{here}:{names.topic}"
