"""A process in which nothing is random: time, process number, identifiers and jitter come from here alone.

This is the one place where golden runs replace what differs from run to run. It works on the standard library, before
anything of the harvester is imported, so that no move inside the harvester touches it. Nothing is normalised
afterwards: paths are fixed because the configuration names everything below /proc/self/cwd.
"""

import os
import random
import socket
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

NS_PER_SECOND = 1_000_000_000
PROCESS = 4242
BOOT_ID = "00000000-0000-4000-8000-00000000b007"
BOOT_FILE = "/proc/sys/kernel/random/boot_id"


def wall(text: str) -> int:
    """Wall ns of a moment such as "2026-11-23T10:00:00+05:30"."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * NS_PER_SECOND


class StillTime:
    """Both clocks; they move only when told to."""

    def __init__(self, wall_ns: int, *, mono_ns: int = 1_000 * NS_PER_SECOND) -> None:
        self.wall_ns = wall_ns
        self.mono_ns = mono_ns

    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.pass_ns(round(seconds * NS_PER_SECOND))

    def pass_ns(self, ns: int) -> None:
        self.wall_ns += ns
        self.mono_ns += ns

    def step(self, seconds: float) -> None:
        """The wall clock is set."""
        self.wall_ns += round(seconds * NS_PER_SECOND)


def stand_still(wall_ns: int, *, run: int = 1, mono_ns: int = 1_000 * NS_PER_SECOND) -> StillTime:
    """Replace what is random in this process; `run` tells the identifiers of one process from those of another."""
    now = StillTime(wall_ns, mono_ns=mono_ns)
    numbers = count(1)
    readings: dict[str, Callable[[], int | float]] = {
        "time_ns": lambda: now.wall_ns,
        "time": lambda: now.wall_ns / NS_PER_SECOND,
        "monotonic_ns": lambda: now.mono_ns,
        "monotonic": lambda: now.mono_ns / NS_PER_SECOND,
    }
    for name, reading in readings.items():
        setattr(time, name, reading)
    setattr(os, "getpid", lambda: PROCESS + run)  # noqa: B010
    setattr(uuid, "uuid4", lambda: uuid.UUID(int=(run << 64) + next(numbers)))  # noqa: B010
    setattr(random, "uniform", lambda low, high: (low + high) / 2)  # noqa: B010
    _fix_boot_id()
    return now


def _fix_boot_id() -> None:
    read = Path.read_text

    def read_text(self: Path, *args: Any, **options: Any) -> str:
        return BOOT_ID if str(self) == BOOT_FILE else read(self, *args, **options)

    setattr(Path, "read_text", read_text)  # noqa: B010


def lead_hosts(hosts: str) -> None:
    """Have names lead to loopback: "name=port" separated by commas. So no port is in a configuration or a message."""
    ports = dict(pair.split("=") for pair in hosts.split(",") if pair)
    addresses = {name: f"127.77.0.{number}" for number, name in enumerate(ports, start=1)}
    doors = {address: ("127.0.0.1", int(ports[name])) for name, address in addresses.items()}
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return look_up(addresses.get(name, host), *args, **options)

    def connect_there(self: socket.socket, address: Any) -> None:
        connect(self, doors.get(address[0], address))

    setattr(socket, "getaddrinfo", getaddrinfo)  # noqa: B010
    setattr(socket.socket, "connect", connect_there)  # noqa: B010
