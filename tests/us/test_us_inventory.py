"""inventory/aws of the market us: the settings are those that the harvester takes, the names those of the rule."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.us.test_us_settings import APP

from harvester.base.aws_names import Names
from harvester.base.market import entered
from harvester.config.file import parse_settings
from runbook.fleet.inventory import load_hosts
from runbook.tokens import places

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names("paper")
US = {
    "aws_account_environment": "paper",
    "aws_host_symbols": ["QQQ", "BRK/B"],
    "harvester_market": "us",
    "schwab_app_id": APP,
}


@pytest.fixture(autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


def settings_of(folder: Path, **more: Any) -> tuple[Any, Any]:
    """The one host of a copy of inventory/aws with these variables, and what the harvester makes of its settings."""
    inventory = folder / "aws"
    shutil.copytree(ROOT / "inventory/aws", inventory)
    hosts = {"harvesters": {"hosts": {"us-1": {"ansible_host": "192.0.2.1"}}}}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    everywhere = inventory / "group_vars/all.yml"
    kept = yaml.safe_load(everywhere.read_text("utf-8"))
    everywhere.write_text(yaml.safe_dump(kept | US | more), encoding="utf-8")
    [host] = load_hosts(ROOT, str(inventory))
    content = json.dumps({"market": "us", **host.settings}).encode()
    return host, parse_settings(content, Path("config.json"))


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, f"ssm:{NAMES.parameter('schwab_access_token')}"),
        ({"aws_identity_schwab": "secretsmanager"}, f"secret:{NAMES.schwab_secret}"),
    ],
    ids=["ssm", "secretsmanager"],
)
def test_a_host_has_the_settings_of_schwab(tmp_path: Path, more: dict[str, str], place: str) -> None:
    host, settings = settings_of(tmp_path, **more)

    assert (settings.feeds, settings.symbols, settings.broker.kind) == (("schwab-history",), ("QQQ", "BRK/B"), "schwab")
    assert settings.token.place == place
    assert settings.token.renew.app_secret == f"ssm:{NAMES.parameter('schwab_app_secret')}"
    assert places.place_of(host, "schwab_app_secret") == settings.token.renew.app_secret
    assert places.place_of(host, "channels") == f"ssm:{NAMES.parameter('channels')}"
