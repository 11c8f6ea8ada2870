"""The environment in AWS that an inventory describes: its variables over the roles' defaults, its names and clients."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError
from runbook.aws.session import Account
from runbook.fleet import calendar, indices
from runbook.fleet.environment import aws_of, variables_set
from runbook.fleet.inventory import ask_ansible
from runbook.fleet.trouble import explain, failures

ROLES = ("aws_account", "aws_baseline", "aws_identity", "aws_storage", "aws_host", "aws_functions", "aws_watch")
ALSO = (
    "aws_account_managed", "aws_account_region", "aws_endpoint_url", "broker_account", "broker_refresh",
    indices.VARIABLE, calendar.MARKET,
)  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """Variables, names and clients of one environment."""

    variables: Mapping[str, Any]
    names: Names
    account: Account

    @property
    def schwab(self) -> str:
        """The service that has Schwab's login, ssm or secretsmanager; empty: the broker is Fyers."""
        stated = str(self.variables.get("aws_identity_schwab", ""))
        if not stated.startswith("{{"):  # the role's default
            return stated
        return "ssm" if self.variables.get(calendar.MARKET) == "us" else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets of Secrets Manager that are its, and not under its prefix: Schwab's login, where it is kept there."""
        return (self.names.schwab_secret,) if self.schwab == "secretsmanager" else ()


def load(root: Path, inventory: str | None) -> Environment:
    """The environment of an inventory. ConfigError when it describes none in AWS."""
    defaults: dict[str, Any] = {}
    for role in ROLES:
        text = (root / "roles" / role / "defaults" / "main.yml").read_text("utf-8")
        defaults |= yaml.safe_load(text) or {}
    asked = ask_ansible(root, inventory, None, "localhost", (*defaults, *ALSO))["localhost"]
    variables = {**defaults, **{name: value for name, value in asked.items() if value is not None}}
    if not variables.get("aws_account_managed"):
        raise ConfigError(
            f"{inventory or 'The default inventory'} describes nothing in AWS. Run ./inv configure first, then give "
            "--inventory inventory/aws."
        )
    names = Names(
        str(variables["aws_account_environment"]),
        str(variables["aws_account_project"]),
        str(variables["aws_account_region"]),
        str(variables["aws_account_bucket"] or ""),
    )
    return Environment(variables, names, Account(names.region, str(variables["aws_account_profile"] or "")))


def load_managed(root: Path, inventory: str | None) -> Environment | None:
    """The same; None for an inventory that has no account of AWS managed."""
    asked = ask_ansible(root, inventory, None, "localhost", ("aws_account_managed",)).get("localhost", {})
    return load(root, inventory) if asked.get("aws_account_managed") else None


@contextmanager
def reaching(environment: Environment) -> Iterator[str]:
    """Inside, clients reach this environment; gives the account's id. AWS's errors become one paragraph."""
    with variables_set(aws_of(environment.variables)):
        try:
            found = environment.account.client("sts").get_caller_identity()["Account"]
            expected = str(environment.variables["aws_account_id"] or found)
            if found != expected:
                raise ConfigError(f"These credentials belong to account {found}, and aws_account_id says {expected}.")
            yield found
        except failures() as error:
            raise ConfigError(explain(error, environment.account.profile)) from None
