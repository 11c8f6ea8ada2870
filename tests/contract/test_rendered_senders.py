"""Who reminds, as the role renders it: of a fleet one host asks for the login, or none where the function does."""

import json
from pathlib import Path

import pytest
from tests.contract.test_rendered import ACCOUNT, ansible

from harvester.config.file import load_settings

FLEET = "harvesters: {hosts: {m-2: {}, m-1: {}, m-10: {}}}\n"
ALL = ("recorder_down", "token_refused", "no_token", "token_too_short")
OWN = ("recorder_down",)
FIRST_BESIDE_THE_FUNCTION = ("recorder_down", "token_refused")


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, ALL),
        ({"aws_account_managed": True}, FIRST_BESIDE_THE_FUNCTION),
        ({"aws_account_managed": True, "aws_functions_deployed": ["dead-man"]}, ALL),
    ],
    ids=["no account", "function", "no such function"],
)
def test_one_sender_asks_for_the_login(root: Path, tmp_path: Path, variables: dict[str, object], first) -> None:
    (tmp_path / "hosts.yml").write_text(FLEET, encoding="utf-8")
    extra = {"render_folder": str(tmp_path), "aws_account_id": ACCOUNT, "broker_app_id": "ABCDE12345-100", **variables}
    inventories = ["--inventory", "inventory/aws", "--inventory", str(tmp_path / "hosts.yml")]
    limits = ["--limit", "m-*", "--tags", "render_config"]
    ansible(root, "tests/contract/playbooks/render.yml", *inventories, *limits, "--extra-vars", json.dumps(extra))

    causes = {name: load_settings(tmp_path / f"{name}.config.json").alerts.causes for name in ("m-1", "m-2", "m-10")}

    assert causes == {"m-1": first, "m-2": OWN, "m-10": OWN}


def test_a_single_host_tells_everything_and_its_configuration_does_not_say_so(root: Path, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("harvesters: {hosts: {m-1: {}}}\n", encoding="utf-8")
    extra = json.dumps({"render_folder": str(tmp_path), "broker_app_id": "ABCDE12345-100"})
    inventories = ["--inventory", "inventory/aws", "--inventory", str(tmp_path / "hosts.yml")]
    ansible(root, "tests/contract/playbooks/render.yml", *inventories, "--tags", "render_config", "--extra-vars", extra)

    assert "alerts" not in json.loads((tmp_path / "m-1.config.json").read_bytes())


@pytest.mark.parametrize(("source", "renewing"), [("ssm", {"m-10"}), ("file", {"m-10", "m-2"})])
def test_of_hosts_that_share_a_store_one_refreshes_its_token(
    root: Path, tmp_path: Path, source: str, renewing: set[str]
) -> None:
    renews = "{harvester_renew: true}"
    fleet = f"harvesters: {{hosts: {{m-2: {renews}, m-1: {{}}, m-10: {renews}}}}}\n"
    (tmp_path / "hosts.yml").write_text(fleet, encoding="utf-8")
    settings = {"token": {"source": source}}
    extra = {"render_folder": str(tmp_path), "broker_app_id": "ABCDE12345-100", "harvester_settings": settings}
    inventories = ["--inventory", "inventory/aws", "--inventory", str(tmp_path / "hosts.yml")]
    limits = ["--limit", "m-*", "--tags", "render_config"]
    ansible(root, "tests/contract/playbooks/render.yml", *inventories, *limits, "--extra-vars", json.dumps(extra))

    timers = {name: json.loads((tmp_path / f"{name}.timers.json").read_bytes()) for name in ("m-1", "m-2", "m-10")}

    runs = {name: not unit["disabled"] for name in timers for unit in timers[name] if "renew" in unit["name"]}
    assert {name for name, on in runs.items() if on} == renewing
