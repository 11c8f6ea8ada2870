"""The folder that a delivery has on the host: its receipts, and the lock of who is at work."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from harvester.base.clock import Clock
from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory
from harvester.base.market import to_local
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.lake.layout import Partition

LOCK = ".lock"


def folder_of_delivery(settings: Settings, delivery: DeliverySettings, kind: str) -> Path:
    """Where the receipts of a delivery lie; `kind` is tables or raw."""
    return settings.data_dir / "deliveries" / delivery.name / kind


def partition_of(settings: Settings, day: date | None, clock: Clock) -> Partition:
    """A day of this host; default: today in the market."""
    return Partition(day or to_local(clock.wall_ns()).date(), settings.host_id)


@contextmanager
def working(folder: Path) -> Iterator[None]:
    """Hold a folder for this process. Raises HarvesterError when another one does, or it cannot be written."""
    path = folder / LOCK
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarvesterError(
                f"{path}: another run of this delivery is at work. Nothing was done twice; run the command again later."
            ) from None
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        make_directory(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the delivery's folder cannot be written ({error.strerror}). Run the command as the user that owns"
            " it, on a disk with space."
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
