"""The operator's role in an environment of the market us is enough for Schwab's login, in either store, and no more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from tests.aws.account import NAMES
from tests.aws.rendering import render
from tests.aws.test_operator_role import judging
from tests.us.test_token_commands import put, sdk_file

from harvester.base.market import entered
from harvester.tokens.places import open_place
from harvester.tokens.stores import DeniedError
from lab.aws.server import REGION
from runbook.fleet.inventory import Host
from runbook.tokens import credentials, places, schwab_push

PLACES = {"ssm": NAMES.parameter("schwab_access_token"), "secretsmanager": NAMES.schwab_secret}
SECRET = NAMES.parameter("schwab_app_secret")


@pytest.fixture(scope="module", params=PLACES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def policy(store: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    roles = render(tmp_path_factory.mktemp("operator"), "__aws_identity_roles", schwab=store)["__aws_identity_roles"]
    [found] = [role["policy"] for role in roles if role["name"] == NAMES.role("operator")]
    return found


@pytest.fixture
def host(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host of the environment, in an account without a secret."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    renew = {"app_secret": f"ssm:{SECRET}"}
    token = {"source": store, "parameter": PLACES[store], "region": REGION, "renew": renew}
    with entered("us"), mock_aws():
        yield Host("us1", "192.0.2.1", variables={"harvester_settings": {"market": "us", "token": token}})


def test_a_login_is_pushed_again_and_shown(
    host: Host, policy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = judging(policy, monkeypatch)
    for age in (3600, 60):
        schwab_push.push_file(host, put(tmp_path / "schwab_token.json", sdk_file(age)))

    shown = {each.name: each for each in credentials.look([host])}

    assert refused == []
    assert shown["Schwab login"].good


def test_the_apps_secret_is_not_read(host: Host, policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = judging(policy, monkeypatch)

    with pytest.raises(DeniedError):
        open_place(f"ssm:{SECRET}", REGION).read()
    assert refused == [f"ssm:GetParameter {SECRET}"]


def test_a_login_in_the_other_store_is_not_written(
    host: Host, store: str, policy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [other] = [place for name, place in PLACES.items() if name != store]
    token = {**host.settings["token"], "source": next(name for name in PLACES if name != store), "parameter": other}
    there = Host("us1", "192.0.2.1", variables={"harvester_settings": {"market": "us", "token": token}})
    refused = judging(policy, monkeypatch)

    with pytest.raises(DeniedError):
        schwab_push.push_file(there, put(tmp_path / "schwab_token.json", sdk_file(60)))
    assert len(refused) == 1 and places.place_of(there, "access_token").split(":")[1] == other
