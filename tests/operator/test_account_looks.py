"""What commands take for theirs and for true: names that only resemble, trails of one region, keys of before."""

from pathlib import Path
from typing import Any

import pytest
from services import Clients, Service

from harvester.base.aws_names import Names
from runbook.aws import teardown
from runbook.aws.host_keys import ensure_known, find_keys
from runbook.doctor import account
from runbook.fleet.inventory import Host
from runbook.tokens import token_refresh


def console(*blocks: tuple[str, ...]) -> str:
    """What an instance prints whose keys were shown so often, as cloud-init does at the first boot of an image."""
    frame = "-----BEGIN SSH HOST KEY KEYS-----\n{}\n-----END SSH HOST KEY KEYS-----\nlogin:\n"
    return "boot\n" + "".join(frame.format("\n".join(block)) for block in blocks)


OLD = ("ssh-ed25519 AAAAold= root@ip", "ecdsa-sha2-nistp256 AAAAolder= root@ip")
NEW = ("ssh-rsa AAAAnew= root@ip", "ssh-ed25519 AAAAnewer= root@ip", "ssh-dss AAAAweak= root@ip")


def test_the_keys_of_a_host_are_those_that_its_console_shows_last() -> None:
    kept = ["ssh-rsa AAAAnew=", "ssh-ed25519 AAAAnewer="]
    assert find_keys(console(OLD, NEW)) == find_keys(console(NEW)) == kept
    assert find_keys(console(OLD, NEW).partition("AAAAnewer")[0]) == [each.rpartition(" ")[0] for each in OLD], (
        "cut off"
    )
    assert find_keys(console()) == find_keys("") == []


def test_each_address_gets_the_keys_of_its_own_host_once(tmp_path: Path) -> None:
    consoles = {"i-1": console(OLD), "i-2": console(NEW), "i-3": ""}
    ec2 = Service(
        get_console_output=lambda InstanceId, **_: {"Output": consoles[InstanceId]},  # AWS's name
        describe_instances=lambda **_: {"Reservations": [{"Instances": [{"PublicIpAddress": "192.0.2.2"}]}]},
    )
    hosts, file = {"m-1": "i-1", "m-2": "i-2", "m-3": "i-3", "m-4": ""}, tmp_path / "ssh" / "known_hosts"
    addresses = {"m-1": "192.0.2.1", "m-3": "192.0.2.3"}

    found = ensure_known(Clients(ec2=ec2), hosts, addresses, file)

    lines = [f"192.0.2.1 {key.rpartition(' ')[0]}" for key in OLD]
    lines += [f"192.0.2.2 {key.rpartition(' ')[0]}" for key in NEW[:2]]
    assert file.read_text().splitlines() == lines
    assert found.values["waiting"] == ["m-3"] and "console of m-3 " in found.values["msg"] and found.changed

    file.write_text(file.read_text().rstrip("\n"))  # as a person's editor leaves it
    ensure_known(Clients(ec2=ec2), {"m-5": "i-1"}, {"m-5": "192.0.2.5"}, file)
    again = ensure_known(Clients(ec2=ec2), {"m-5": "i-1"}, {"m-5": "192.0.2.5"}, file)
    assert file.read_text().splitlines() == [*lines, *(line.replace(".1 ", ".5 ") for line in lines[:2])]
    assert not again.changed


def test_destroy_takes_the_secrets_below_its_prefix_and_those_it_is_told_of_and_no_others() -> None:
    """AWS's filter finds a name by the beginning of any of its words."""
    names = Names("test")
    mine, told = f"{names.parameter_prefix}/fyers/app-secret", "their/login"
    listed = [mine, told, f"{names.parameter_prefix}-2/fyers/app-secret", f"old{mine}", f"{told}-of-production"]
    manager = Service(list_secrets={"SecretList": [{"Name": name} for name in listed]})
    ssm = Service(describe_parameters={"Parameters": [{"Name": "/b", "Type": "x"}, {"Name": "/a", "Type": "x"}]})

    doomed = [*teardown._secrets(Clients(ssm=ssm, secretsmanager=manager), names, [told])]
    for each in doomed:
        each.remove()

    assert [(each.kind, each.name) for each in doomed] == [
        ("parameter", "/a"),
        ("parameter", "/b"),
        ("secret", mine),
        ("secret", told),
    ]
    assert ssm.calls == [("delete_parameter", {"Name": "/a"}), ("delete_parameter", {"Name": "/b"})]
    assert [arguments["SecretId"] for _, arguments in manager.calls] == [mine, told]


TRAILS = {
    "none": ([], "fail", "there is none of all regions"),
    "of one region": ([("one", False, True)], "fail", "there is none of all regions"),
    "one that keeps": ([("one", False, True), ("all", True, True)], "ok", "all keeps all calls"),
    "one of two": ([("off", True, False), ("all", True, True)], "ok", "all keeps all calls"),
    "none that keeps": ([("one", False, True), ("off", True, False)], "fail", "off is switched off"),
}


@pytest.mark.parametrize("case", TRAILS)
def test_calls_are_kept_by_a_trail_of_all_regions_that_is_on(case: str) -> None:
    trails, level, says = TRAILS[case]
    listed = [{"Name": name, "TrailARN": f"arn:{name}", "IsMultiRegionTrail": is_wide} for name, is_wide, _ in trails]
    on = {f"arn:{name}": is_on for name, _, is_on in trails}
    client = Service(
        describe_trails={"trailList": listed},
        get_trail_status=lambda Name: {"IsLogging": on[Name]},  # AWS's name
    )
    here: Any = type("Here", (), {"account": Clients(cloudtrail=client)})

    [found] = account.check_trail(here, "123456789012")

    assert (found.level.name.lower(), found.detail[: len(says)]) == (level, says)
    assert ("off" in found.fix) == (case == "none that keeps")


def test_a_refresh_is_remembered_by_each_host_that_has_a_file_and_once_by_a_store_of_several() -> None:
    def host(name: str, source: str, **variables: Any) -> Host:
        token = {"source": source}
        if source == "ssm":
            token |= {"parameter": "/p/fyers/access-token", "region": "ap-south-1"}
        return Host(name, "192.0.2.1", variables={"harvester_settings": {"token": token}} | variables)

    renews = {"harvester_renew": True}
    hosts = [host("h1", "file", **renews), host("h2", "file", **renews), host("h3", "file")]
    assert [each.label for each in token_refresh.memories(hosts)] == [
        f"{name}: {token_refresh.places.token_settings(hosts[0]).renew.state.removeprefix('file:')}"
        for name in ("h1", "h2")
    ]
    hosts = [host("h1", "ssm", broker_refresh=True), host("h2", "ssm", broker_refresh=True), host("h3", "ssm")]
    assert [(each.place, each.host.name) for each in token_refresh.memories(hosts)] == [
        ("ssm:/p/fyers/refresh-state", "h1")
    ]
