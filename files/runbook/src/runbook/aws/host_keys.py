"""SSH host keys of new hosts, read from the console that they print them to: AWS's own channel vouches for them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester.base.aws_errors import code_of
from runbook.aws.outcome import Clients, Outcome

BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
KEY = re.compile(r"^\s*((?:ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/=]+)", re.MULTILINE)


def ensure_known(
    clients: Clients, hosts: Mapping[str, str], addresses: Mapping[str, str], file: Path, *, dry: bool = False
) -> Outcome:
    """Write the keys of hosts (name to instance id) whose addresses the file does not know yet, as far as consoles go.

    A host that `addresses` lacks has its instance's own; one without an id is yet to be made, as in a check. Values:
    `waiting` names the hosts whose console does not show keys yet, and `msg` what to do when it never does: whoever
    calls asks again, and says that he waits.
    """
    text = file.read_text("utf-8") if file.exists() else ""
    known = {line.split()[0] for line in text.splitlines() if line.strip()}
    ec2 = clients.client("ec2")
    reached = {
        name: addresses.get(name) or _public_address(ec2, identity) for name, identity in hosts.items() if identity
    }
    new = {name: address for name, address in reached.items() if address and address not in known}
    before = {name: name in reached and name not in new for name in hosts}
    if dry:
        return Outcome(before, dict.fromkeys(hosts, True), {"waiting": []})
    keys = {name: find_keys(read_console(ec2, hosts[name])) for name in new}
    lines = [f"{new[name]} {key}\n" for name, found in keys.items() for key in found]
    if lines:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as known_hosts:
            known_hosts.write("" if not text or text.endswith("\n") else "\n")
            known_hosts.writelines(lines)
    waiting = [name for name, found in keys.items() if not found]
    after = {name: name not in waiting for name in hosts}
    return Outcome(before, after, {"waiting": waiting, "msg": _explain(waiting)} if waiting else {"waiting": []})


def _public_address(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found.get("PublicIpAddress", ""))


def _explain(names: Sequence[str]) -> str:
    return (
        f"The console of {', '.join(names)} does not show SSH host keys yet. Run it again in a few minutes; or compare "
        "them yourself in the console, accept them with ssh, and set aws_host_trust_console: false."
    )


def read_console(ec2: Any, instance_id: str) -> str:
    """What an instance prints now. Without `Latest` AWS gives what it kept, which can be 20 minutes old.

    Types of before Nitro have no latest output.
    """
    from botocore.exceptions import ClientError

    try:
        return str(ec2.get_console_output(InstanceId=instance_id, Latest=True).get("Output", ""))
    except ClientError as error:
        if code_of(error) != "UnsupportedOperation":
            raise
        return str(ec2.get_console_output(InstanceId=instance_id).get("Output", ""))


def find_keys(console: str) -> list[str]:
    """The keys that cloud-init printed last, as known_hosts has them."""
    blocks = BLOCK.findall(console)
    return KEY.findall(blocks[-1]) if blocks else []


def forget(file: Path, address: str) -> None:
    """Take the lines of an address out of a known_hosts file."""
    if file.exists():
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if line.split()[:1] != [address]), encoding="utf-8")
