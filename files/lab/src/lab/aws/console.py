"""The consoles of the stand-in's instances, which print SSH host keys as cloud-init does, and may be late with it.

AWS shows what an instance prints now to who asks for the latest output; to others it shows what it kept at the last
boot, and that comes many minutes later. Here it never comes.
"""

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

LATE = "LAB_AWS_CONSOLE_LATE"
"""Fault: how often each instance is asked before its console shows the keys."""

_asked: Counter[str] = Counter()
_shown: list[Callable[[str], str | None]] = []


def show_keys_of(find: Callable[[str], str | None]) -> None:
    """From now on consoles show what `find` says of an instance: its public key, or None before it is printed."""
    _shown[:] = [find]


def host_key(instance_id: str) -> str:
    """The made-up key of an instance, as known_hosts has it."""
    parts = (b"ssh-ed25519", hashlib.sha256(instance_id.encode()).digest())
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')}"


def console_output(response: Any) -> Any:
    """EC2's GetConsoleOutput, in place of moto's."""
    from moto.core.responses import ActionResult
    from moto.core.utils import utcnow
    from moto.ec2.utils import Base64EncodedString  # type: ignore[attr-defined]

    instance = response.ec2_backend.get_instance(response._get_param("InstanceId"))
    text = "cloud-init: booting\n"
    if str(response._get_param("Latest")).lower() == "true" and (key := _printed(instance.id)):
        text += f"-----BEGIN SSH HOST KEY KEYS-----\n{key} root@{instance.id}\n-----END SSH HOST KEY KEYS-----\n"
    kept = {"InstanceId": instance.id, "Timestamp": utcnow(), "Output": Base64EncodedString.from_raw_string(text)}
    return ActionResult(kept)


def _printed(instance_id: str) -> str | None:
    if _shown:
        return _shown[0](instance_id)
    _asked[instance_id] += 1
    return host_key(instance_id) if _asked[instance_id] > int(os.environ.get(LATE, "0")) else None
