"""The ports that the channels need besides the usual ones; the firewall opens them for the alerts alone.

The numbers go through a file in /run: `roles/harvester/files/open_alert_ports.sh` reads it as root, and takes nothing
but numbers from it.
"""

from collections.abc import Sequence
from pathlib import Path

from harvester.alerts.channels import Channel
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file

USUAL = {53, 80, 443}
"""host_hardening_egress_tcp_ports of every host."""


def ports_of(channels: Sequence[Channel]) -> list[int]:
    """TCP ports in rising order."""
    return sorted({port for channel in channels for port in channel.ports} - USUAL)


def write_ports(path: Path, channels: Sequence[Channel]) -> None:
    """Write a number a line. Raises HarvesterError."""
    try:
        replace_file(path, "".join(f"{port}\n" for port in ports_of(channels)), 0o644, synced=False)
    except OSError as error:
        raise HarvesterError(
            f"{path}: cannot be written ({error.strerror}), so the firewall opens no port for the channels. The unit"
            " harvester-alert makes the folder: systemctl start harvester-alert; or correct alerts.ports."
        ) from error
