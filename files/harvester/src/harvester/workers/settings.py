"""Settings of a host that oversees workers: neither symbols nor a broker are in them."""

import json
import os
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, field

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.validation import Model, Refused, validate
from harvester.workers.judge import Rules

VARIABLE = "HARVESTER_OVERSEER"
PATH = Path("/etc/harvester/overseer.json")
MINUTE_NS = 60 * NS_PER_SECOND

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")]
Place = Annotated[str, Meta(pattern=r"^(/.+|s3://[a-z0-9.-]{3,63}(/.*)?|[A-Za-z0-9_][A-Za-z0-9_ .-]*:.*)\Z")]
RemoteName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .-]{0,63}\Z")]
RemoteKey = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
SecretPlace = Annotated[str, Meta(pattern=r"^(ssm|secret|file):/.+\Z")]
Minutes = Annotated[int, Meta(ge=1, le=7 * 24 * 60)]


class RcloneSettings(Model, frozen=True):
    program: str = "rclone"
    config: Path = Path("/var/lib/harvester/rclone/rclone.conf")
    """Mode 0600, in a folder that the overseer may write: rclone writes refreshed tokens back."""
    secrets: dict[RemoteName, dict[RemoteKey, SecretPlace]] = field(default_factory=dict)
    """Where a secret of a remote is stored: {drive: {token: "ssm:/name"}}, or file:/path; taken over when it is new."""


class DoorSettings(Model, frozen=True):
    """The door on loopback, behind a tunnel that you run: `harvester workers listen`."""

    port: Annotated[int, Meta(ge=1, le=65_535)] = 5001
    tokens: Path = Path("/etc/harvester/worker-tokens")
    """Mode 0600; a line `NAME TOKEN` for each worker, two while a token is rotated."""
    per_minute: Annotated[int, Meta(ge=1, le=600)] = 10
    """Requests in any 60 seconds from one address; six times as many from all together."""


class WorkerSettings(Model, frozen=True, kw_only=True):
    """A worker, how it is judged and what may be done for it."""

    name: Name
    mailbox: Place
    """/folder, s3://bucket/prefix, or remote:folder as rclone has it."""
    inboxes: tuple[Place, ...] = ()
    """Places to which the doors put error reports, one file each; beside the mailbox."""
    status: FileName = "colab_status.json"
    signal: FileName = "restart_requested.json"
    heartbeat: FileName = "linux_heartbeat.json"
    """What the overseer writes each hour, so that a worker sees that it lives."""
    reports: tuple[FileName, ...] = ("error_report.json", "colab_error_report.json")
    """Names of an error report in the mailbox; the second one is what older code of the worker writes."""
    progress: tuple[str, ...] = ("iteration", "training_step")
    """Keys of the status of which the first that is a number must rise."""
    zone: str = "UTC"
    """Of times that the worker writes without one."""
    slow_after_minutes: Minutes = 30
    silent_after_minutes: Minutes = 90
    stuck_after_minutes: Annotated[int, Meta(ge=0, le=7 * 24 * 60)] = 360
    """0: its step is not asked for."""
    miss_every_minutes: Minutes = 60
    restarts_a_day: Annotated[int, Meta(ge=0, le=24)] = 3
    notebook: FileName | None = None
    """The notebook in its mailbox that may be repaired."""
    repairs_a_day: Annotated[int, Meta(ge=0, le=24)] = 3
    """Of each kind of error; after that a person is told. 0: nothing is repaired."""
    restart_command: tuple[str, ...] = ()
    """Program and arguments that start it anew, besides the signal; never a secret."""

    def __post_init__(self) -> None:
        if self.slow_after_minutes >= self.silent_after_minutes:
            raise ValueError("slow_after_minutes must be less than silent_after_minutes")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("zone must be a time zone such as UTC or Europe/London") from None

    def rules(self, overseer: str) -> Rules:
        """What the judge goes by."""
        return Rules(
            worker=self.name,
            overseer=overseer,
            progress=self.progress,
            zone=self.zone,
            slow_ns=self.slow_after_minutes * MINUTE_NS,
            silent_ns=self.silent_after_minutes * MINUTE_NS,
            stuck_ns=self.stuck_after_minutes * MINUTE_NS,
            miss_every_ns=self.miss_every_minutes * MINUTE_NS,
            restarts_a_day=self.restarts_a_day,
            command=bool(self.restart_command),
        )


class OverseerSettings(Model, frozen=True, kw_only=True):
    """`overseer.json`."""

    host_id: Name
    workers: tuple[WorkerSettings, ...]
    data_dir: Path = Path("/var/lib/harvester/workers")
    alert_inbox: Path = Path("/var/spool/harvester-alert")
    region: str | None = None
    """Of mailboxes in S3 and secrets in SSM, where the environment does not say it."""
    rclone: RcloneSettings = RcloneSettings()
    door: DoorSettings = DoorSettings()

    def __post_init__(self) -> None:
        names = [worker.name for worker in self.workers]
        if len(set(names)) < len(names):
            raise ValueError("two workers have the same name")

    def find(self, name: str) -> WorkerSettings:
        """The worker of this name. Raises ConfigError."""
        for worker in self.workers:
            if worker.name == name:
                return worker
        known = ", ".join(worker.name for worker in self.workers) or "none"
        raise ConfigError(f"There is no worker {name!r} here. There are: {known}.")


def find_overseer(path: Path | None) -> Path:
    """Where the settings are, or would be."""
    return path or Path(os.environ.get(VARIABLE) or PATH)


def load_overseer(path: Path | None) -> OverseerSettings:
    """Read and check the settings. Raises ConfigError naming file, key and rule."""
    found = find_overseer(path)
    try:
        return validate(OverseerSettings, json.loads(found.read_bytes()))
    except Refused as refused:
        raise ConfigError(f"{found} is refused:\n{refused}") from None
    except OSError as error:
        raise ConfigError(
            f"{found}: the settings of the overseer cannot be read ({error.strerror}). Name a file with --settings;"
            " docs/workers.md shows one."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{found}: no JSON ({error}). Correct the file.") from error
