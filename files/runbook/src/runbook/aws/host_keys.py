"""SSH host keys of new hosts, read from the console that they print them to: AWS's own channel vouches for them."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from runbook.aws.outcome import Clients, Outcome

BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
KEY = re.compile(r"^\s*((?:ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/=]+)", re.MULTILINE)
ASK_AGAIN_SECONDS = 5.0


def ensure_known(
    clients: Clients,
    hosts: Mapping[str, str],
    addresses: Mapping[str, str],
    file: Path,
    *,
    wait_seconds: int,
    dry: bool = False,
) -> Outcome:
    """Write the keys of hosts (name to instance id) whose addresses the file does not know yet.

    A host that `addresses` lacks has its instance's own; one without an id is yet to be made, as in a check.
    HarvesterError when a console does not show the keys in time.
    """
    text = file.read_text("utf-8") if file.exists() else ""
    known = {line.split()[0] for line in text.splitlines() if line.strip()}
    ec2 = clients.client("ec2")
    reached = {
        name: addresses.get(name) or _public_address(ec2, identity) for name, identity in hosts.items() if identity
    }
    new = {name: address for name, address in reached.items() if address and address not in known}
    before = {name: name not in new for name in reached}
    after = dict.fromkeys(reached, True)
    if not dry and new:
        deadline = time.monotonic() + wait_seconds
        lines = [
            f"{address} {key}\n"
            for name, address in new.items()
            for key in wait_for_keys(ec2, name, hosts[name], deadline)
        ]
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as known_hosts:
            known_hosts.write("" if not text or text.endswith("\n") else "\n")
            known_hosts.writelines(lines)
    return Outcome(before, after)


def _public_address(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found.get("PublicIpAddress", ""))


def find_keys(console: str) -> list[str]:
    """The keys that cloud-init printed last, as known_hosts has them."""
    blocks = BLOCK.findall(console)
    return KEY.findall(blocks[-1]) if blocks else []


def wait_for_keys(ec2: Any, name: str, instance_id: str, deadline: float) -> list[str]:
    """Ask until the console shows keys or `deadline`, a monotonic time, has passed."""
    while True:
        output = ec2.get_console_output(InstanceId=instance_id).get("Output", "")
        keys = find_keys(output)
        if keys:
            return keys
        if time.monotonic() > deadline:
            raise HarvesterError(
                f"The console of {name} ({instance_id}) does not show its SSH host keys yet. Run it again in a few "
                "minutes; or compare them yourself, accept them with ssh, and set aws_host_trust_console: false."
            )
        time.sleep(ASK_AGAIN_SECONDS)


def forget(file: Path, address: str) -> None:
    """Take the lines of an address out of a known_hosts file."""
    if file.exists():
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if line.split()[:1] != [address]), encoding="utf-8")
