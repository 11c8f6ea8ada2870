"""What belongs to which lab: one small file per lab and per host, written before anything else is made.

Claims live in a root-only folder of the machine, so that several checkouts and test scenarios share addresses without
collisions, and so that whatever a killed command left is found again.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from exchange.state import write_file
from harvester.base.market import MarketName
from lab import machine
from lab.errors import LabError
from lab.locking import wait_for_lock
from lab.state import SCRATCH
from lab.variants import Variant

NETWORK = "198.51.100"  # TEST-NET-2, RFC 5737: never an address of the internet
LAB_NUMBERS = range(1, 10)
HOST_NUMBERS = range(11, 250)
CLAIM_FILE = "claim.json"
KINDS = ("labs", "hosts")


class Claimed(BaseModel):
    """Common to labs and hosts: which process made the claim, under which boot, and whether it got to the end."""

    # Another checkout's newer lab may say more than this one knows.
    model_config = ConfigDict(extra="ignore")

    number: int
    state: Path
    boot_id: str = Field(default_factory=machine.boot_id)
    maker_pid: int = Field(default_factory=os.getpid)
    maker_start: int | None = Field(default_factory=lambda: machine.process_start(os.getpid()))
    ready: bool = False

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    def is_abandoned(self) -> bool:
        """True when nobody can use or finish it any more."""
        if self.boot_id != machine.boot_id():
            return True
        if self.ready:
            return not self.state.is_dir()
        return machine.process_start(self.maker_pid) != self.maker_start


class LabClaim(Claimed):
    """A lab: its controller-side address and the folder of the machine it may use.

    `aws_account`: site.yml is to provision the account of its AWS stand-in, too. `market`: of its exchange, with the
    broker of that market.
    """

    aws_account: bool = False
    market: MarketName = "nse"

    @property
    def folder(self) -> Path:
        return SCRATCH / "labs" / str(self.number)

    @property
    def group(self) -> str:
        return f"ah-lab-{self.number}"


class HostClaim(Claimed):
    """A host: its name in the lab, what it boots from, and where its writable layer is."""

    name: str
    tier: Literal["nspawn", "uml"]
    suite: str
    variant: Variant
    base: Path
    ssh_socket: bool = False
    disk_path: str | None = None
    disk_bytes: int | None = None

    @property
    def folder(self) -> Path:
        return SCRATCH / "hosts" / str(self.number)

    @property
    def group(self) -> str:
        return f"ah-{self.number}"


@contextmanager
def locked() -> Iterator[None]:
    """Hold the machine-wide lock on claims and on the shared network, for short steps only. It cannot be nested."""
    with wait_for_lock(SCRATCH, make=_make_scratch):
        _make_scratch()
        yield
        try:
            for folder in (*(SCRATCH / kind for kind in KINDS), SCRATCH):
                folder.rmdir()
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # a claim is in it, or another command made it again to take the lock
                raise


def find_labs() -> list[LabClaim]:
    """Every lab of this machine."""
    return [LabClaim.model_validate_json(content) for content in _read_claims("labs")]


def find_hosts(state: Path | None = None) -> list[HostClaim]:
    """Every host of this machine, or those of the lab whose state is `state`."""
    hosts = [HostClaim.model_validate_json(content) for content in _read_claims("hosts")]
    return [host for host in hosts if state is None or host.state == state]


def find_lab(state: Path) -> LabClaim | None:
    """The lab whose state is in `state`."""
    return next((lab for lab in find_labs() if lab.state == state), None)


def free_number(kind: Literal["labs", "hosts"]) -> int:
    """The lowest number that no claim and no leftover has; the lock must be held until it is claimed."""
    taken = {int(path.name) for path in (SCRATCH / kind).iterdir()}
    numbers = LAB_NUMBERS if kind == "labs" else HOST_NUMBERS
    for number in numbers:
        if number not in taken:
            return number
    raise LabError(f"All {len(numbers)} {kind} of this machine are taken. `lab gc` removes the abandoned ones.")


def save(claim: LabClaim | HostClaim) -> None:
    """Write the claim in one step."""
    claim.folder.mkdir(parents=True, exist_ok=True)
    write_file(claim.folder / CLAIM_FILE, (claim.model_dump_json(indent=2) + "\n").encode())


def unclaimed_folders() -> list[Path]:
    """Folders that a killed command left without a claim."""
    return [folder for folder in SCRATCH.glob("*/*") if not (folder / CLAIM_FILE).exists()]


def _read_claims(kind: str) -> Iterator[bytes]:
    try:
        numbers = sorted(int(path.name) for path in (SCRATCH / kind).iterdir())
    except FileNotFoundError:  # there is no lab on this machine
        return
    for number in numbers:
        with suppress(FileNotFoundError):  # removed since it was listed
            yield (SCRATCH / kind / str(number) / CLAIM_FILE).read_bytes()


def _make_scratch() -> None:
    with suppress(FileExistsError):  # not by exist_ok: its second look fails where the folder has gone since
        SCRATCH.mkdir(mode=0o700)
    status = SCRATCH.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise LabError(f"{SCRATCH} is not a folder of root's alone. Somebody else made it: look, then remove it.")
    for kind in KINDS:
        with suppress(FileExistsError):
            (SCRATCH / kind).mkdir()
