"""How long AWS lets a person wait, as far as others measured or AWS states it; what nobody published is an estimate.

Distances are of a person in India: the region is ap-south-1, and what is asked far away answers in us-east-1. The
stand-in sleeps these seconds for real, because ours beside them cannot be scaled. Each has its source; an estimate is
rounded up.
"""

from dataclasses import dataclass
from typing import Literal

REGION_RTT = 0.035
"""Kolkata to ap-south-1, the farthest of eight cities: https://techplained.aptechsolutions.io/india-cloud-latency"""
FAR_RTT = 0.200
"""ap-south-1 to us-east-1: https://www.cloudping.co (some 190 ms, and to the region)."""
FAR = frozenset({"iam", "budgets", "ce", "account", "cloudfront"})
"""Services whose one control plane is in us-east-1: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html"""
HANDSHAKES = 2
"""Round trips before the first request of a connection: TCP and TLS 1.3 (RFC 8446, section 2)."""
SERVES = 0.06
"""What a call takes in AWS beside the way: estimate."""
LINE_BITS_PER_SECOND = 20_000_000
"""A home's line upwards: estimate. By it go the functions' archives, and the release to the host."""


@dataclass(frozen=True)
class Latency:
    """A wait: what is waited for, seconds, and who says so."""

    what: str
    seconds: float
    source: str


SLOW_CALLS = {
    ("ec2", "RunInstances"): Latency(
        "a host is asked for", 1.6, "http://www.daemonology.net/blog/2021-08-12-EC2-boot-time-benchmarking.html: 1.5 s"
    ),
    ("ec2", "AllocateAddress"): Latency("an address is found", 0.5, "estimate"),
    ("ec2", "AssociateAddress"): Latency("an address is attached", 0.8, "estimate"),
    ("ec2", "CreateVpcEndpoint"): Latency("the way to S3 is made", 1.5, "estimate"),
    ("lambda", "POST /functions"): Latency("a function is taken in", 1.0, "estimate"),
}

State = Literal["running", "answering", "keys", "first boot", "role", "profile", "active"]
STATES: dict[State, Latency] = {
    "running": Latency(
        "the host is made ready (pending to running)",
        17,
        "https://github.com/brevdev/ec2-coldboot-research: 16.5 s for any type; daemonology.net 2021: 4.9 s",
    ),
    "answering": Latency(
        "the host boots (running to SSH)",
        30,
        "daemonology.net 2021: 22.8 s (FreeBSD); brevdev: 3 to 9 s; Ubuntu's image on a t3.micro: estimate",
    ),
    "keys": Latency(
        "the console prints SSH host keys (since running)",
        45,
        "in cloud-init's final stage: https://docs.cloud-init.io/en/latest/reference/modules.html; estimate",
    ),
    "first boot": Latency("cloud-init ends (since running)", 60, "estimate"),
    "role": Latency(
        "a new role can be assumed",
        15,
        "https://github.com/hashicorp/terraform-provider-aws/issues/6566: 10 to 30 s; aws/aws-cli#7700: some 5 s",
    ),
    "profile": Latency(
        "a new instance profile is known to EC2",
        10,
        "https://github.com/ansible/ansible/pull/37465 sleeps 10 s; hashicorp/packer#9810: 5 s",
    ),
    "active": Latency(
        "a new function is active",
        3,
        "the state is https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html; seconds: estimate",
    ),
}


def distance(service: str) -> float:
    """Seconds of a round trip to the service."""
    return FAR_RTT if service in FAR else REGION_RTT


def of_call(service: str, action: str, *, new_connection: bool, body_bytes: int) -> float:
    """Seconds of one call: the way, a handshake where the connection is new, the body on the line, and AWS's work."""
    trips = 1 + (HANDSHAKES if new_connection else 0)
    slow = SLOW_CALLS.get((service, action))
    return trips * distance(service) + body_bytes * 8 / LINE_BITS_PER_SECOND + (slow.seconds if slow else SERVES)
