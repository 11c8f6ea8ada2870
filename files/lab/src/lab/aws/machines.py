"""Instances of the stand-in that are hosts of a lab: pending, running, booted for real, at the address they then have.

Switched on by MACHINES, which names the lab's folder. Its hosts must be there and switched off; the first instance is
the first of them, and their Elastic IPs are the hosts' addresses. The console prints the host's own SSH keys.
"""

import threading
import time
from pathlib import Path
from typing import Any

from lab import claims, hosts
from lab.aws.delays import Waits
from lab.aws.latency import STATES

MACHINES = "LAB_AWS_MACHINES"
"""Environment: the folder of the lab whose hosts are the instances."""
BOOTS_HERE_SECONDS = 2.0
"""What a host of the lab needs from its start to SSH; an instance needs longer, so it is started that much later."""


class Machines:
    """Which host of the lab is which instance."""

    def __init__(self, state: Path, waits: Waits) -> None:
        self._state, self.waits = state, waits
        self._of: dict[str, claims.HostClaim] = {}
        self._addresses: list[str] = []

    def boot(self, instance: Any) -> None:
        """Make the instance one of the lab's hosts: pending, then running, then booted; keys come with the boot."""
        host = claims.find_hosts(self._state)[len(self._of)]
        self._of[instance.id] = host
        running = self.waits.begin("running", instance.id)
        after = running - time.time()
        answering = self.waits.begin("answering", instance.id, after=after)
        self.waits.begin("keys", instance.id, after=after)
        self.waits.note(STATES["running"].what, time.time(), running)
        self.waits.note(STATES["answering"].what, running, answering)
        instance._state.name, instance._state.code = "pending", 0
        threading.Thread(target=self._run, args=(instance, host, running, answering), daemon=True).start()

    def next_address(self) -> str:
        """The address of the next host, which its Elastic IP is."""
        known = [host.address for host in claims.find_hosts(self._state)]
        self._addresses.append(known[len(self._addresses)])
        return self._addresses[-1]

    def host_key(self, instance_id: str) -> str | None:
        """The public SSH host key that the console shows by now; None before."""
        if not self.waits.is_over("keys", instance_id):
            return None
        kind, key, *_ = (self._of[instance_id].folder / "host_key.pub").read_text("ascii").split()
        return f"{kind} {key}"

    def _run(self, instance: Any, host: claims.HostClaim, running: float, answering: float) -> None:
        time.sleep(max(0.0, running - time.time()))
        if instance._state.name == "pending":
            instance._state.name, instance._state.code = "running", 16
        time.sleep(max(0.0, answering - BOOTS_HERE_SECONDS - time.time()))
        hosts.cut_power(host)


def boot_instances(machines: Machines) -> None:
    """Have what moto runs be the lab's hosts."""
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models import elastic_ip_addresses
    from moto.ec2.models.instances import InstanceBackend

    run, associate = InstanceBackend.run_instances, elastic_ip_addresses.ElasticAddressBackend.associate_address

    def run_hosts(backend: Any, *arguments: Any, **named: Any) -> Any:
        profile = (
            named.get("iam_instance_profile_name") or (named.get("iam_instance_profile_arn") or "").rpartition("/")[2]
        )
        if profile and not machines.waits.is_over("profile", profile):
            said = (
                f"Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
            )
            raise EC2ClientError("InvalidParameterValue", said)
        reservation = run(backend, *arguments, **named)
        for instance in reservation.instances:
            machines.boot(instance)
        return reservation

    def associate_with_running(backend: Any, instance: Any = None, *arguments: Any, **named: Any) -> Any:
        if instance is not None and not machines.waits.has_come("running", instance.id):
            said = f"The pending instance '{instance.id}' is not in a valid state for this operation."
            raise EC2ClientError("InvalidInstanceID", said)
        return associate(backend, instance, *arguments, **named)

    InstanceBackend.run_instances = run_hosts  # type: ignore[method-assign, assignment]
    elastic_ip_addresses.ElasticAddressBackend.associate_address = associate_with_running  # type: ignore[method-assign, assignment]
    elastic_ip_addresses.random_ip = machines.next_address  # type: ignore[attr-defined]
