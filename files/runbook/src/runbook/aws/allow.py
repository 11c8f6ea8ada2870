"""allow-me: port 22 open to the address that the operator has today, and closed to the one before."""

import ipaddress
import re
from pathlib import Path
from typing import Any

import httpx

from harvester.base.errors import ConfigError
from runbook.aws.environment import Environment

ADDRESS_SERVICE = "https://checkip.amazonaws.com"
SECONDS = 10
WIDEST = {4: 16, 6: 48}
"""The shortest prefix that may be let in: a large company's network, or what a provider gives one site."""
LINE = re.compile(r"^aws_host_ssh_sources:.*$", re.MULTILINE)


def my_network(service: str = ADDRESS_SERVICE) -> str:
    """The address that AWS sees us under, as a network of one. ConfigError when it cannot be found."""
    try:
        text = httpx.get(service, timeout=SECONDS).raise_for_status().text.strip()
        return str(ipaddress.ip_network(text))
    except (httpx.HTTPError, ValueError) as error:
        raise ConfigError(f"{service} does not say your address ({error}). Give --network 203.0.113.7/32.") from None


def check_network(text: str) -> str:
    """A network as it is written to the security group. ConfigError for what is none, or far too wide."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no network ({error}). Write your address as 203.0.113.7/32.") from None
    if network.prefixlen < WIDEST[network.version]:
        raise ConfigError(f"{text} is {network.num_addresses} addresses. Name your own, as 203.0.113.7/32.")
    return str(network)


def allow(environment: Environment, network: str) -> list[str]:
    """Open port 22 to this network alone; the networks that were let in before and are not any more."""
    ec2 = environment.account.client("ec2")
    group = _group(ec2, environment.names.security_group)
    ssh = [rule for rule in group["IpPermissions"] if rule.get("FromPort") == 22 and rule.get("ToPort") == 22]
    open_to = [one["CidrIp"] for rule in ssh for one in rule.get("IpRanges", ())]
    open_to += [one["CidrIpv6"] for rule in ssh for one in rule.get("Ipv6Ranges", ())]
    if network not in open_to:
        ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[_rule(network)])
    former = [one for one in open_to if one != network]
    for one in former:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[_rule(one)])
    return former


def remember(inventory: Path, network: str) -> bool:
    """Keep the network in the inventory, so that the next run of site.yml leaves it; whether it is kept there now."""
    path = inventory / "group_vars" / "all.yml"
    text = path.read_text("utf-8") if path.exists() else ""
    if not LINE.search(text):
        return False
    path.write_text(LINE.sub(f'aws_host_ssh_sources: ["{network}"]', text), encoding="utf-8")
    return True


def _group(ec2: Any, name: str) -> Any:
    filters = [{"Name": "group-name", "Values": [name]}]
    found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if not found:
        raise ConfigError(f"There is no security group {name} yet: run site.yml, which opens port 22 to your network.")
    return found[0]


def _rule(network: str) -> dict[str, object]:
    ranges = {"Ipv6Ranges": [{"CidrIpv6": network}]} if ":" in network else {"IpRanges": [{"CidrIp": network}]}
    return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **ranges}
