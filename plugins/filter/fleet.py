"""Filters for inventory, playbooks and roles: fleets, who reminds, addresses, AWS's policies and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError
from harvester.base.market import MARKETS
from harvester.config.rules import IndexList
from harvester.config.senders import CAUSES, causes_of
from runbook.aws.cost import volume_gib
from runbook.aws.functions import REMINDER, deployed
from runbook.fleet import account, indices, shares
from runbook.fleet.calendar import calendar_beside
from runbook.fleet.trouble import explain_result
from runbook.tokens import places
from runbook.tokens.function_policies import statements


def fleet_names(count: int, project: str, environment: str) -> list[str]:
    """The names of so many hosts."""
    names = Names(environment, project)
    return [names.host(number) for number in range(1, int(count) + 1)]


def fleet_stem(project: str, environment: str) -> str:
    """What every name of an environment begins with."""
    return Names(environment, project).stem


def bucket_name(account: str, project: str, environment: str, region: str, override: str = "") -> str:
    """The bucket of an environment."""
    return Names(environment, project, region, override).bucket(account)


def function_statements(function: str, look: Mapping[str, Any], table: str, schwab: str = "") -> list[dict[str, Any]]:
    """The policy of a token function, in the account that was looked at; `table` is token_permissions.json.

    `schwab`: where Schwab's login is, ssm or secretsmanager; empty: there is none.
    """
    named = look["names"]
    names = Names(named["tags"]["Environment"], named["tags"]["Project"], named["region"], named["bucket"])
    return statements(Path(table), function, names, look["account"], look["partition"], schwab)


def alert_settings(
    host: str, fleet: Sequence[str], source: str, managed: bool, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings that say what a host tells people of, where that is not everything.

    `managed`: whether its AWS account is; `variables`: those of the inventory that choose the account's functions.
    """
    reminder = bool(managed) and REMINDER in deployed(variables)
    causes = causes_of(host, fleet, reminder=reminder, source=source)
    return {} if causes == CAUSES else {"alerts": {"causes": list(causes)}}


def role_variables(roles: Sequence[str], folder: str) -> list[str]:
    """The variables that these roles describe in their argument_specs.yml, below `folder`."""
    found: list[str] = []
    for role in roles:
        specs = yaml.safe_load((Path(folder) / role / "meta" / "argument_specs.yml").read_text("utf-8"))
        found += specs["argument_specs"]["main"]["options"]
    return found


def account_refusal(variables: Mapping[str, Mapping[str, Any]], fleet: Sequence[str], lists: str) -> str:
    """Why these hosts ask more of an account than the broker allows it; `variables` are all hosts' (hostvars).

    `lists`: the file of the members of indices; empty where there is none.
    """
    return account.account_refusal(_settings(variables, fleet), _lists(lists))


def account_shares(
    host: str, fleet: Sequence[str], variables: Mapping[str, Mapping[str, Any]], lists: str
) -> dict[str, Any]:
    """Settings with the host's share of its account's limits."""
    return account.account_shares(host, _settings(variables, fleet), _lists(lists))


def host_volume_gib(
    symbols: Sequence[Any], fleet: Sequence[str], lists: str, system_gib: int, kept_days: int, megabytes: float
) -> int:
    """The size of each host's disk; the arguments are those of the role aws_host."""
    most = shares.largest_share(_plain(symbols), fleet, _lists(lists))
    return volume_gib(most, system_gib, kept_days, megabytes)


def login_refusal(variables: Mapping[str, Mapping[str, Any]], fleet: Sequence[str]) -> str:
    """Why roles in AWS may not read the logins that these hosts are to use; `variables` are all hosts' (hostvars)."""
    names = ("harvester_settings", "harvester_market", "aws_account_managed", "aws_identity_schwab")
    found = {host: {name: variables[host][name] for name in names if name in variables[host]} for host in fleet}
    return " ".join(filter(None, (places.login_refusal(host, _plain(each)) for host, each in found.items())))


def _lists(file: str) -> list[IndexList]:
    return indices.current(Path(file)) if file else []


def share_of(symbols: Sequence[Any], host: str, fleet: Sequence[str]) -> list[Any]:
    """The symbols, and rules among them, of a host of the fleet."""
    return shares.share_of(_plain(symbols), host, fleet)


def _settings(variables: Mapping[str, Mapping[str, Any]], fleet: Sequence[str]) -> dict[str, Any]:
    recording = [name for name in fleet if variables[name].get("harvester_records", True)]
    stated = [name for name in recording if "harvester_settings" in variables[name]]
    settings: dict[str, Any] = {name: _plain(variables[name]["harvester_settings"]) for name in stated}
    return dict(json.loads(json.dumps(settings)))  # numbers and texts, too, are Ansible's own


def _plain(value: Any) -> Any:
    """Without Ansible's own containers, which render what is inside only when it is looked at."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value


def market_zone(market: str) -> str:
    """The zone of a market, as systemd and the time zone database name it. Raises ConfigError."""
    if market not in MARKETS:
        raise ConfigError(f"harvester_market is {market!r}. Write one of {', '.join(MARKETS)}.")
    return MARKETS[market].zone_name


def is_address_in(address: str, networks: Sequence[str]) -> bool:
    """Whether one of the networks has the address; 192.0.2.7/24 is one, unlike in ansible.utils.in_network."""
    return any(ip_address(address) in ip_network(network, strict=False) for network in networks)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "account_refusal": account_refusal,
            "account_shares": account_shares,
            "alert_settings": alert_settings,
            "bucket_name": bucket_name,
            "calendar_beside": calendar_beside,
            "explain_aws": explain_result,
            "fleet_names": fleet_names,
            "fleet_stem": fleet_stem,
            "function_statements": function_statements,
            "index_lists_beside": indices.lists_beside,
            "is_address_in": is_address_in,
            "login_refusal": login_refusal,
            "market_zone": market_zone,
            "role_variables": role_variables,
            "share_of": share_of,
            "volume_gib": host_volume_gib,
        }
