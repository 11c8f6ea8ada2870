"""Who may do what with Schwab's login in an environment of the market us, in SSM or in Secrets Manager."""

from pathlib import Path
from typing import Any

import pytest
from tests.aws.account import NAMES
from tests.aws.rendering import render
from tests.aws.test_policies import HERE, TOKEN

from lab.aws.policies import Call, Decision, evaluate

LOGIN, APP_SECRET = (
    f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter(name)}" for name in ("schwab_access_token", "schwab_app_secret")
)
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:schwab-api-token-{NAMES.environment}-AbCdEf"
OTHER = SECRET.replace("-AbCdEf", "2-AbCdEf")
ROLES = ("host", "operator", "reminder", "token-page", "token-refresh", "ingestion")
SSM = ("ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter")
MANAGER = tuple(
    f"secretsmanager:{name}"
    for name in ("CreateSecret", "DescribeSecret", "DeleteSecret", "GetSecretValue", "PutSecretValue")
)


def allowed(folder: Path, schwab: str) -> set[tuple[str, str, str]]:
    """Role, action and thing of all that is allowed of the tokens, by their short names."""
    found = render(folder, "__aws_identity_roles", schwab=schwab)["__aws_identity_roles"]
    policies = {role["name"]: role["policy"] for role in found}
    things = {"login": LOGIN, "app's secret": APP_SECRET, "Fyers' token": TOKEN}
    secrets = {"login": SECRET, "another": OTHER}
    calls = [(action, name, arn) for action in SSM for name, arn in things.items()]
    calls += [(action, name, arn) for action in MANAGER for name, arn in secrets.items()]
    return {
        (role, action, name)
        for role in ROLES
        for action, name, arn in calls
        if evaluate([policies[NAMES.role(role)]], Call(action, arn, {})) == Decision.ALLOW
    }


def test_a_login_in_ssm(tmp_path: Path) -> None:
    assert allowed(tmp_path, "ssm") == {
        ("host", "ssm:GetParameter", "login"),
        ("host", "ssm:PutParameter", "login"),
        ("host", "ssm:GetParameter", "app's secret"),
        ("operator", "ssm:GetParameter", "login"),
        ("operator", "ssm:PutParameter", "login"),
        ("reminder", "ssm:GetParameter", "login"),
        ("token-page", "ssm:PutParameter", "Fyers' token"),
        ("token-refresh", "ssm:PutParameter", "Fyers' token"),
        ("ingestion", "ssm:GetParameter", "Fyers' token"),
    }, "the functions of the other broker's login are not deployed in this market"


def test_a_login_in_secrets_manager(tmp_path: Path) -> None:
    found = allowed(tmp_path, "secretsmanager")

    assert {row for row in found if row[0] in ("host", "operator", "reminder")} == {
        ("host", "secretsmanager:GetSecretValue", "login"),
        ("host", "secretsmanager:PutSecretValue", "login"),
        ("host", "ssm:GetParameter", "app's secret"),
        ("operator", "secretsmanager:CreateSecret", "login"),
        ("operator", "secretsmanager:DescribeSecret", "login"),
        ("operator", "secretsmanager:GetSecretValue", "login"),
        ("operator", "secretsmanager:PutSecretValue", "login"),
        ("reminder", "secretsmanager:GetSecretValue", "login"),
    }


def test_an_environment_of_fyers_has_no_right_to_it(tmp_path: Path) -> None:
    found = allowed(tmp_path, "")

    assert not [row for row in found if row[2] in ("login", "app's secret")]
    assert ("host", "ssm:GetParameter", "Fyers' token") in found


@pytest.mark.parametrize("schwab", ["ssm", "secretsmanager"])
def test_other_rights_are_the_same(tmp_path: Path, schwab: str) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()

    def sids(folder: str, chosen: str) -> dict[str, list[str]]:
        roles = render(tmp_path / folder, "__aws_identity_roles", schwab=chosen)["__aws_identity_roles"]
        return {role["name"]: [one["Sid"] for one in role["policy"]["Statement"]] for role in roles}

    own = {"RenewTheToken", "ReadTheAppsSecret", "LookAtTheLogin", "ReadTheToken"}
    ours = {name: sorted(set(found) - own) for name, found in sids("with", schwab).items()}
    theirs: dict[str, Any] = {name: sorted(set(found) - own) for name, found in sids("without", "").items()}
    assert ours == theirs
