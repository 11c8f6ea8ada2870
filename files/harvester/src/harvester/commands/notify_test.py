"""harvester notify-test: a test message through every alert channel, and how each took it."""

import argparse

from harvester.alerts import host
from harvester.alerts.channels import deliver
from harvester.alerts.message import Message, Severity
from harvester.alerts.ports import write_ports
from harvester.alerts.teller import Teller
from harvester.alerts.units import is_well
from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Shows the kind of each channel, never its address."
    parser.add_argument("--ports", action="store_true", help="only write down which ports the firewall must open")


def run(args: argparse.Namespace, _: None) -> int:
    """Raises HarvesterError when a channel did not take the message, ConfigError when there is none."""
    telling = host.find_telling(args.config)
    channels = host.open_channels(telling.alerts)
    if args.ports:
        write_ports(telling.alerts.ports, channels)
        return 0
    message = Message(
        Severity.INFO, "test", "Test of the alert channels", f"{telling.host_id} can reach you. Nothing is wrong."
    )
    deliveries = deliver(channels, message)
    try:
        Teller(telling.settings, SystemClock().wall_ns(), is_well, telling.alerts).note_test(channels, deliveries)
    except OSError as error:
        print(f"How they took it is not remembered: {error.filename}: {error.strerror}.")
    for delivery in deliveries:
        print(f"{delivery.channel}: {delivery.problem or 'sent'}")
    if any(delivery.problem for delivery in deliveries):
        raise HarvesterError(
            "not every channel took the message; correct its address, or look whether it is reachable."
        )
    return 0
