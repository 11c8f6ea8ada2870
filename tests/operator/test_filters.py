"""The filters that inventory, playbooks and roles render by."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def filters() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "plugins/filter/fleet.py"
    spec = importlib.util.spec_from_file_location("fleet_filters", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("address", "networks", "is_in"),
    [
        ("192.0.2.7", ["192.0.2.7/24"], True),
        ("192.0.2.9", ["198.51.100.0/24", "192.0.2.7/24"], True),
        ("192.0.3.1", ["192.0.2.7/24"], False),
        ("192.0.2.7", ["192.0.2.7"], True),
        ("2001:db8::5", ["2001:db8::1/64"], True),
        ("2001:db8::5", ["0.0.0.0/0"], False),
        ("192.0.2.7", [], False),
    ],
)
def test_an_address_is_in_a_network_however_that_is_written(
    filters: ModuleType, address: str, networks: list[str], is_in: bool
) -> None:
    assert filters.is_address_in(address, networks) is is_in


@pytest.mark.parametrize(
    ("managed", "chosen", "source", "host", "causes"),
    [
        (True, ["reminder"], "ssm", "h1", ["recorder_down", "token_refused"]),
        (True, ["reminder"], "ssm", "h2", ["recorder_down"]),
        (True, ["reminder"], "file", "h2", None),
        (False, ["reminder"], "ssm", "h1", None),
        (False, ["reminder"], "ssm", "h2", ["recorder_down"]),
    ],
)
def test_one_sender_asks_for_a_login_that_the_whole_fleet_lacks(
    filters: ModuleType, managed: bool, chosen: list[str], source: str, host: str, causes: list[str] | None
) -> None:
    """The function, where the account is managed and has it; else the first host. None: a host tells everything."""
    variables = {"aws_functions_deployed": chosen, "broker_account": "XX1"}
    settings: dict[str, Any] = filters.alert_settings(host, ["h1", "h2"], source, managed, variables)

    assert settings == ({} if causes is None else {"alerts": {"causes": causes}})


def test_names_of_a_fleet_are_numbered_from_one(filters: ModuleType) -> None:
    names = filters.fleet_names("3", "alpha", "test")

    assert len(names) == 3 and len(set(names)) == 3
    assert [name.rpartition("-")[2] for name in names] == [name.rpartition("-")[2] for name in sorted(names)]
    assert all(name.startswith(filters.fleet_stem("alpha", "test")) for name in names)


@pytest.mark.parametrize(
    ("market", "managed", "stated", "source", "says"),
    [
        ("us", True, None, "ssm", ""),
        ("us", True, None, "secretsmanager", "aws_identity_schwab is ssm, .*source is secretsmanager"),
        ("us", True, "secretsmanager", "secretsmanager", ""),
        ("us", True, "secretsmanager", "ssm", "aws_identity_schwab is secretsmanager, .*source is ssm"),
        ("us", True, "", "ssm", "aws_identity_schwab is empty, so its role reads no login, .*source is ssm"),
        ("us", True, "secretsmanager", "file", ""),
        ("us", False, None, "secretsmanager", ""),
        ("us", False, "ssm", "secretsmanager", "aws_identity_schwab is ssm, "),
        ("nse", True, None, "ssm", ""),
        ("nse", True, None, "secretsmanager", ""),
        ("nse", True, "ssm", "ssm", ""),
        ("nse", True, "secretsmanager", "ssm", "in place of Fyers' token, and its market is nse. Take it out"),
    ],
)
def test_a_login_that_the_role_may_not_read_is_refused(
    filters: ModuleType, market: str, managed: bool, stated: str | None, source: str, says: str
) -> None:
    """None: the inventory leaves aws_identity_schwab to the roles."""
    variables = {"harvester_market": market, "harvester_settings": {"token": {"source": source}}}
    variables |= {"aws_account_managed": managed} | ({} if stated is None else {"aws_identity_schwab": stated})
    refused = filters.login_refusal({"h1": variables, "other": {"harvester_market": "us"}}, ["h1"])

    assert bool(refused) == bool(says) and re.search(says, refused)


def test_hosts_without_settings_use_a_file(filters: ModuleType) -> None:
    assert filters.login_refusal({"h1": {"aws_account_managed": True, "harvester_market": "us"}}, ["h1"]) == ""
