"""Where the inventory leads this process's clients: to its profile's AWS, or to a stand-in without anybody's keys."""

import os
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from harvester.net.proxy import proxy_for
from runbook.fleet.environment import STAND_IN_KEYS, environment_of
from runbook.fleet.inventory import Host

STAND_IN = MappingProxyType({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", **STAND_IN_KEYS})


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"aws_account_profile": "trading"}, {"AWS_PROFILE": "trading"}),
        ({"aws_account_profile": ""}, {"AWS_PROFILE": "own"}),
        ({}, {"AWS_PROFILE": "own"}),
        ({"aws_account_profile": "trading", "aws_endpoint_url": "http://127.0.0.1:9"}, STAND_IN),
    ],
)
def test_the_inventory_leads_to_its_aws_and_back(
    variables: Mapping[str, str], found: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "own")
    before = dict(os.environ)

    with environment_of(Host("h1", "192.0.2.1", variables=variables)):
        assert found.items() <= os.environ.items()

    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_a_stand_in_never_sees_the_operators_keys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "the-real-one")

    with environment_of(Host("h1", "192.0.2.1", variables={"aws_endpoint_url": "http://127.0.0.1:9"})):
        assert "the-real-one" not in os.environ.values()


def test_the_brokers_stand_in_is_reached_by_its_proxy_whatever_the_operator_excludes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")

    with environment_of(Host("h1", "192.0.2.1", variables={"broker_proxy": "http://127.0.0.1:9"})):
        assert proxy_for("api-t1.fyers.in") == "http://127.0.0.1:9"

    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "*"
