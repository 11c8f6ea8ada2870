"""A lab from up to down: its address, its stand-ins, its hosts, and the removal of all of it."""

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from harvester.base.market import MarketName
from lab import claims, hosts, keys, network, stand_ins, uml
from lab.base.cache import provide_tree, remove_unfinished_builds
from lab.base.suites import DEFAULT_SUITE, find_suite
from lab.calendar import provide_calendar
from lab.claims import HostClaim, LabClaim, locked
from lab.errors import LabUsageError
from lab.garbage import collect_garbage, remove_lab, sweep
from lab.inventory import write_inventory
from lab.locking import wait_for_lock
from lab.machine import require_lab_machine
from lab.overlay import EXCHANGE_CA, personalise
from lab.stand_ins import NAMES, Name
from lab.state import make_folder, refuse_foreign_folder, remove_folder
from lab.variants import Variant

Progress = Callable[[str], None]
BOOTS_AT = "boots at"
"""What is said of a host from when the inventory names it."""


@dataclass(frozen=True)
class HostWish:
    """A host somebody asks for."""

    name: str
    suite: str = DEFAULT_SUITE
    variant: Variant = "full"
    tier: Literal["nspawn", "uml"] = "nspawn"
    ssh_socket: bool = False
    disk_path: str | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class Started:
    """A host that came up: seconds until its SSH server answered and until systemd had settled, and its state then."""

    host: HostClaim
    banner_seconds: float
    settled_seconds: float
    system_state: str


def bring_up(
    state: Path,
    wishes: Iterable[HostWish],
    progress: Progress,
    wanted: Iterable[Name] = NAMES,
    *,
    aws_account: bool = False,
    market: MarketName = "nse",
) -> list[Started]:
    """Make the lab at `state` have the wished hosts and stand-ins; what is already there and runs is left alone.

    With `aws_account` the lab's inventory says that site.yml provisions the account of the AWS stand-in, too. `market`
    is that of its exchange.
    Raises LabError; what this call had made by then is removed.
    """
    require_lab_machine()
    refuse_foreign_folder(state)
    collect_garbage()
    is_new = _claim_lab(state)
    try:
        waiting = partial(progress, "waiting for another `lab up` of this lab")
        with wait_for_lock(state, announce=waiting, make=partial(make_folder, state)):
            return _complete(state, list(wishes), list(wanted), progress, aws_account=aws_account, market=market)
    except BaseException:
        if is_new:
            bring_down(state)
        raise


def bring_down(state: Path) -> bool:
    """Remove the lab at `state` with everything it has, also what a killed command left; False: there was nothing."""
    require_lab_machine()
    with locked():
        members = claims.find_hosts(state)
        lab = claims.find_lab(state)
        for host in members:
            hosts.remove(host)
        if lab:
            remove_lab(lab)
        remains = remove_folder(state)
        sweep()
    remove_unfinished_builds()
    return lab is not None or bool(members) or remains


def remove_host(state: Path, name: str) -> None:
    """Remove one host of the lab and forget its keys; the rest goes on."""
    with locked():
        for host in claims.find_hosts(state):
            if host.name == name:
                hosts.remove(host)
        lab = claims.find_lab(state)
    if lab:
        _publish(lab)


def find_host(state: Path, name: str) -> HostClaim:
    """The lab's host called `name`; LabUsageError names those that exist."""
    known = {host.name: host for host in claims.find_hosts(state)}
    if name not in known:
        raise LabUsageError(f"The lab at {state} has no host {name!r}; it has {', '.join(known) or 'none'}.")
    return known[name]


def _claim_lab(state: Path) -> bool:
    with locked():
        if claims.find_lab(state):
            return False
        claims.save(LabClaim(number=claims.free_number("labs"), state=state))
    return True


def _complete(
    state: Path,
    wishes: list[HostWish],
    wanted: list[Name],
    progress: Progress,
    *,
    aws_account: bool,
    market: MarketName,
) -> list[Started]:
    if any(wish.tier == "uml" for wish in wishes):
        uml.provide_kernel(progress)
    for wish in wishes:
        _provide_tree(wish, progress)
    lab = _provide_lab(state, wanted, progress, aws_account=aws_account, market=market)
    missing = [wish for wish in wishes if not _is_there(state, wish, progress)]
    started = _start_hosts(lab, missing, progress)
    with locked():
        claims.save(lab.model_copy(update={"ready": True}))
    return started


def _provide_tree(wish: HostWish, progress: Progress) -> Path:
    return provide_tree(find_suite(wish.suite), wish.variant, progress)


def _provide_lab(
    state: Path, wanted: list[Name], progress: Progress, *, aws_account: bool, market: MarketName
) -> LabClaim:
    with locked():
        lab = claims.find_lab(state)
        if lab is None or not lab.ready:
            # The process that claimed it may have died since; from here on it is this one's.
            lab = LabClaim(number=lab.number if lab else claims.free_number("labs"), state=state)
        lab = lab.model_copy(update={"aws_account": lab.aws_account or aws_account, "market": market})
        claims.save(lab)
        network.ensure_hub()
        network.add_lab_address(lab)
    provide_calendar(stand_ins.calendar_file(state))
    missing = [name for name in wanted if stand_ins.find_running(lab, name) is None]
    if missing:
        progress(f"starting {' and '.join(missing)} on {lab.address}")
        stand_ins.start(lab, missing)
    return lab


def _is_there(state: Path, wish: HostWish, progress: Progress) -> bool:
    host = next((host for host in claims.find_hosts(state) if host.name == wish.name), None)
    if host is None:
        return False
    if not host.ready:
        with locked():
            hosts.remove(host)
        return False
    if (host.suite, host.variant, host.tier) != (wish.suite, wish.variant, wish.tier):
        raise LabUsageError(
            f"Host {host.name} is already there as {host.suite} ({host.variant}, {host.tier}), not {wish.suite} "
            f"({wish.variant}, {wish.tier}). `lab down` first, or choose another --name."
        )
    if not hosts.is_running(host):
        progress(f"{host.name} had been switched off; booting it again with its files")
        hosts.cut_power(host)
    progress(f"{host.name} is up already at {host.address} ({host.suite})")
    return True


def _start_hosts(lab: LabClaim, wishes: list[HostWish], progress: Progress) -> list[Started]:
    claimed: list[HostClaim] = []
    try:
        for wish in wishes:
            claimed.append(_claim_host(lab, wish, progress))
        started = time.monotonic()
        launched = {host.number: (host, _launch(lab, host)) for host in claimed}
        _publish(lab)
        for host in claimed:
            progress(f"{host.name} {BOOTS_AT} {host.address}")
        since = time.monotonic() - started
        answered = hosts.wait_for_banners(launched)
        return [_finish(lab, host, since + answered[host.number], started, progress) for host in claimed]
    except BaseException:
        with locked():
            for host in claimed:
                hosts.remove(host)
        _publish(lab)
        raise


def _claim_host(lab: LabClaim, wish: HostWish, progress: Progress) -> HostClaim:
    while True:
        tree = _provide_tree(wish, progress)
        with locked():
            if not tree.is_dir():
                continue  # superseded by another checkout's since it was provided
            host = HostClaim(number=claims.free_number("hosts"), state=lab.state, base=tree, **asdict(wish))
            claims.save(host)
            return host


def _launch(lab: LabClaim, host: HostClaim) -> "subprocess.Popen[bytes]":
    certificate = stand_ins.exchange_folder(lab.state) / "ca.pem"
    authority = certificate.read_text(encoding="ascii") if certificate.exists() else None
    personalise(host, lab.address, keys.make_key(lab.state / keys.USER_KEY, "lab"), authority)
    return hosts.start(host)


def _finish(lab: LabClaim, host: HostClaim, banner: float, started: float, progress: Progress) -> Started:
    system_state = hosts.settle(host, trust_exchange=(host.folder / "upper" / EXCHANGE_CA).exists())
    settled = time.monotonic() - started
    with locked():
        claims.save(host.model_copy(update={"ready": True}))
    progress(f"{host.name} is up at {host.address} ({host.suite}, systemd {system_state}) after {settled:.1f} s")
    return Started(host, banner, settled, system_state)


def _publish(lab: LabClaim) -> None:
    known = [host for host in claims.find_hosts(lab.state) if (host.folder / "host_key.pub").exists()]
    keys.write_known_hosts(lab.state, known)
    keys.write_ssh_config(lab.state, known)
    write_inventory(lab, known)
