"""The host against the golden lists: owner, mode and text of what the roles put there, and nothing else of theirs."""

import json
import os
import re
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[3] / "golden/expected/host"
PLACEHOLDER = "198.51.100.1"
"""The lab's address where there is no lab, as in the lists."""
THEIRS = "find /etc/systemd/system /etc/cron.d /etc/nftables.d /etc/sysusers.d /etc/sysctl.d -type f"
UNPACKAGED = f"{THEIRS} | while read -r path; do dpkg -S $path >/dev/null 2>&1 || echo $path; done"
CHAINS = "for chain in input forward output; do nft -s list chain inet host_hardening $chain; done"


def listed(name: str) -> list[str]:
    """The lines of a list for a host of the lab: those of a host in AWS, with what the lab's has more and less."""
    lines = (GOLDEN / "aws" / name).read_text("utf-8").splitlines()
    other = GOLDEN / "lab" / name
    changes = other.read_text("utf-8").splitlines() if other.exists() else []
    gone = {line[2:] for line in changes if line.startswith("- ")}
    return [line for line in lines if line not in gone] + [line[2:] for line in changes if line.startswith("+ ")]


def files() -> dict[str, str]:
    """Path of each file and folder, and "kind owner group mode" of it."""
    found = {}
    for line in listed("files.txt"):
        path, kind, owner, group, mode = line.partition(", ")[0].split()[:5]
        found[path] = f"{'file' if kind == 'absent' else kind} {owner} {group} {mode.lstrip('0')}"
    return found


def texts() -> dict[str, Path]:
    """Path of each file whose text is fixed, and where that is; the lab's own before that of a host in AWS."""
    wanted = files()
    return {
        f"/{path.relative_to(GOLDEN / kind)}": path
        for kind in ("aws", "lab")
        for path in sorted((GOLDEN / kind).rglob("*"))
        if path.is_file() and f"/{path.relative_to(GOLDEN / kind)}" in wanted and "HASH" not in path.name
    }


def test_every_file_has_the_owner_and_the_mode_that_are_listed(host):
    wanted = {path: words for path, words in files().items() if not re.search(r"/wheelhouse/|HASH|config\.json$", path)}
    wanted["/etc/harvester/config.json"] = "link root root 777"
    asked = host.check_output(f"stat --format '%n|%F|%U|%G|%a' {' '.join(wanted)}").splitlines()
    kinds = {"regular file": "file", "symbolic link": "link"}
    found = {path: f"{kinds.get(kind, kind)} {rest.replace('|', ' ')}" for path, kind, rest in
             (line.split("|", 2) for line in asked)}  # fmt: skip

    assert found == wanted


def test_every_configuration_is_closed_to_strangers(host):
    [wanted] = [words for path, words in files().items() if "config-HASH" in path]
    found = host.check_output("stat --format 'file %U %G %a' /etc/harvester/generations/*").splitlines()

    assert set(found) == {wanted}


@pytest.mark.parametrize("path", texts())
def test_a_file_says_what_is_listed(host, path):
    inventory = json.loads((Path(os.environ["LAB_STATE"]) / "inventory.json").read_text("utf-8"))
    wanted = texts()[path].read_text("utf-8").replace(PLACEHOLDER, inventory["all"]["vars"]["lab_address"])
    wanted = re.sub(r'"(host|host_id)": "h1"', rf'"\1": "{host.backend.hostname}"', wanted)
    text = host.file(path).content_string
    if path.endswith("/installed.json"):  # the settings of the alerts are the inventory's
        assert json.loads(text) == {**json.loads(wanted), "alerts": json.loads(text)["alerts"]}
        return
    found = [line for line in text.splitlines() if line.strip()]

    assert [line for line in found if not re.match(r"\s*(#(?!!)|//)", line)] == wanted.splitlines()


def test_no_unit_has_a_drop_in_that_nobody_listed(host):
    units = " ".join(Path(path).name for path in files() if Path(path).suffix in (".service", ".timer"))

    assert host.check_output(f"systemctl show --property DropInPaths --value {units} | sort -u").strip() == ""


def test_nothing_stands_beside_what_is_listed(host):
    beside = set(host.check_output(UNPACKAGED).split()) - files().keys()

    assert {path for path in beside if "harvester" in path or "host-" in path} == set()


def test_the_rules_in_force_are_those_of_the_file(host):
    alone = "unshare --net sh -c 'nft --file /etc/nftables.conf && " + CHAINS.replace("'", "") + "'"

    assert host.check_output(CHAINS) == host.check_output(alone)
    assert "policy drop" in host.check_output(CHAINS)
