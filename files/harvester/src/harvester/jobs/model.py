"""The list of jobs of a host: what a person writes under `jobs` in the inventory, and what the host gets."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from harvester.base.errors import ConfigError
from harvester.base.validation import Model, Refused, validate
from harvester.jobs import builtin
from harvester.jobs.schedule import Every, Span, When

FILE = Path("/etc/harvester/jobs.json")
VARIABLE = "HARVESTER_JOBS"
BUILT_IN = (*(each.name for each in builtin.BUILT_IN), *builtin.ON_DEMAND)
"""Jobs that have units of their own in the role harvester; their records have these names."""
LATE_SECONDS = 120
"""Beyond its limit, for the start of a unit and its end."""
UNIT = "harvester-job-"
JobName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}\Z")]
UserName = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,31}\Z")]
Word = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f]*\Z")]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}\Z")]
Size = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}[MG]\Z")]


class Sandbox(Model, frozen=True):
    """What a job may do besides reading what was recorded, computing, and writing into its own /tmp."""

    network: bool = False
    """Reach other machines; never the metadata address of a cloud."""
    writes: tuple[Path, ...] = ()
    """Folders in which it may write; the role leaves their owner to you."""
    home: bool = False
    """See /home, which it may not write unless `writes` names a folder there."""
    processes: bool = False
    """See the processes of other users."""
    privileged: bool = False
    """Be root without a sandbox, as what starts and stops other units must be; its user is root."""


class Proof(Model, frozen=True):
    """What shows that a run did its work, beyond its exit code: a file, or a command that ends with 0."""

    file: Path | None = None
    """Is not empty, and was written since the run began."""
    command: tuple[Word, ...] = ()
    """Its first line of output is kept as the proof."""

    def __post_init__(self) -> None:
        if (self.file is None) == (not self.command):
            raise ValueError("proof names either a file or a command")


class Job(Model, frozen=True, kw_only=True):
    """One entry. It is due when `when` says, and met by a run that ended well and is proven."""

    name: JobName
    when: When
    """open-10m, close+30m, every 15min, 16:00, Sun 16:30, ...: see `harvester.jobs.schedule`."""
    command: tuple[Word, ...] = ()
    """Program and arguments; no shell reads them."""
    builtin: Literal["export", "health", "push-code", "recover", "so-far", "verify", "workers"] | None = None
    """A command of `harvester` instead, of the release in force; `arguments` follow it."""
    arguments: tuple[Word, ...] = ()
    days: Literal["every", "trading"] = "every"
    """Trading days alone, or every day; what goes by the market is due on trading days in any case."""
    limit: Span = field(default_factory=lambda: Span(600))
    """A run that takes longer is ended."""
    within: Span | None = None
    """How long after its time it must be done; default: its limit and two minutes."""
    user: UserName = "harvester-jobs"
    """Who runs it; another one than the default must exist on the host."""
    sandbox: Sandbox = Sandbox()
    memory: Size = "128M"
    """Memory ceiling, its /tmp included."""
    disk: Size = "64M"
    """Size of its /tmp, and of any one file that it writes elsewhere."""
    environment: dict[Variable, Word] = field(default_factory=dict)
    """Environment variables; never a secret."""
    credentials: dict[Variable, Path] = field(default_factory=dict)
    """Files with secrets, which root alone may read on the host: the job finds each in $CREDENTIALS_DIRECTORY."""
    on_failure: Literal["info", "warning", "critical"] = "warning"
    """How grave a failed run is."""
    proof: Proof | None = None

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.builtin):
            raise ValueError(f"{self.name} must have either a command or a builtin")
        if self.arguments and not self.builtin:
            raise ValueError(f"{self.name}: arguments go with a builtin; a command has its own in its list")
        if self.name in BUILT_IN:
            raise ValueError(f"{self.name} is the name of a built-in job: give yours another")
        if self.sandbox.privileged and self.user != "root":
            raise ValueError(f"{self.name}: a privileged job runs as root: give it user: root")
        if self.limit < 1:
            raise ValueError(f"{self.name}: limit must be a second at least")
        schedule = self.when.schedule
        if isinstance(schedule, Every) and self.limit >= schedule.seconds:
            raise ValueError(f"{self.name}: limit must be shorter than the interval, or runs would be left out")
        if _bytes(self.disk) >= _bytes(self.memory):
            raise ValueError(f"{self.name}: disk must be less than memory, which holds its /tmp")

    @property
    def unit(self) -> str:
        """Its units' name without the suffix."""
        return f"{UNIT}{self.name}"

    @property
    def trading_days(self) -> bool:
        return self.days == "trading" or self.when.schedule.needs_market

    @property
    def within_seconds(self) -> int:
        """From its time until it must be done."""
        return self.limit + LATE_SECONDS if self.within is None else self.within


class JobsFile(Model, frozen=True):
    """`jobs.json` on a host, and what the inventory says."""

    jobs: tuple[Job, ...] = ()

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(job.name for job in self.jobs).items() if count > 1]
        if twice:
            raise ValueError(f"jobs names twice: {', '.join(twice)}. Each job needs a name of its own")

    def find(self, name: str) -> Job:
        """The job of that name. Raises ConfigError."""
        for job in self.jobs:
            if job.name == name:
                return job
        known = ", ".join(job.name for job in self.jobs) or "none"
        raise ConfigError(f"There is no job {name} here; there are: {known}. Jobs come from the inventory.")


def load_jobs(path: Path | None = None) -> JobsFile:
    """The jobs of this host; none where the role has written none. Raises ConfigError naming file, key and rule."""
    source = path or Path(os.environ.get(VARIABLE) or FILE)
    try:
        return validate(JobsFile, json.loads(source.read_bytes()))
    except FileNotFoundError:
        if path is not None:
            raise ConfigError(f"{source}: there is no such file.") from None
        return JobsFile()
    except Refused as refused:
        raise ConfigError(
            f"{source}: the jobs cannot be read: they are refused. ./inv deploy writes them.\n{refused}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{source}: the jobs cannot be read ({why}). ./inv deploy writes them.") from error


def _bytes(size: str) -> int:
    return int(size[:-1]) << {"M": 20, "G": 30}[size[-1]]
