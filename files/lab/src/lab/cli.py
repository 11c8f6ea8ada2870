"""The `lab` command."""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast, get_args

from harvester.base.arguments import at_least, require_place
from harvester.base.endings import report_ending
from lab import faults, hosts, labs
from lab.base.cache import provide_tree
from lab.base.suites import DEFAULT_SUITE, SUITES, find_suite
from lab.claims import HostClaim, find_hosts, find_lab, find_labs
from lab.drive.running import run_against
from lab.errors import LabUsageError
from lab.garbage import collect_garbage
from lab.keys import SSH_CONFIG
from lab.machine import require_lab_machine
from lab.stand_ins import NAMES, find_running
from lab.state import default_state
from lab.variants import Variant

Disturb = Callable[[HostClaim, argparse.Namespace], None]
SHORTEST_SECONDS = 5
"""Of a demonstrated session: the recorder polls every 2 s, and the SDK looks at the same market meanwhile."""
LARGEST_DISK = 1 << 44
"""16 TiB, the most that ext4 has with blocks of 4 KiB and 32 bits."""
HOST_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, as docs/exit-codes.md has them."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (Exception, KeyboardInterrupt) as error:
        return report_ending("lab", error)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _up(options: argparse.Namespace) -> int:
    wishes = [_read_wish(text, options) for text in options.name or ["h1"]]
    wanted = [name for name in NAMES if name not in options.without]
    started = labs.bring_up(options.state, wishes, _say, wanted, aws_account=options.aws)
    _say(f"log in with: ssh -F {options.state / SSH_CONFIG} {wishes[0].name}")
    if options.json:
        print(json.dumps({"started": [_summary(host) for host in started]}, indent=2))
    return 0


def _summary(started: labs.Started) -> dict[str, object]:
    return {
        "name": started.host.name,
        "address": started.host.address,
        "suite": started.host.suite,
        "banner_seconds": round(started.banner_seconds, 3),
        "settled_seconds": round(started.settled_seconds, 3),
        "system_state": started.system_state,
    }


def _read_wish(text: str, options: argparse.Namespace) -> labs.HostWish:
    name, suite, variant, *rest = [*text.split(":"), "", ""]
    if not HOST_NAME.fullmatch(name) or any(rest) or variant not in ("", *get_args(Variant)):
        raise LabUsageError(
            f"--name {text!r} is not NAME, NAME:SUITE or NAME:SUITE:VARIANT; NAME is a host name, VARIANT one of "
            f"{', '.join(get_args(Variant))}."
        )
    disk_path, _, disk_bytes = (options.disk or "").partition("=")
    if options.disk and options.tier == "uml":
        raise LabUsageError("--disk is for hosts of tier nspawn; a host with its own kernel has a whole disk.")
    if options.disk and not (disk_path.startswith("/") and disk_bytes.isdigit() and int(disk_bytes) <= LARGEST_DISK):
        raise LabUsageError(
            f"--disk {options.disk!r} is not PATH=BYTES up to 16 TiB, such as /var/lib/harvester=268435456."
        )
    return labs.HostWish(
        name,
        find_suite(suite or options.suite).name,
        cast(Variant, variant) or ("bare" if options.bare else "full"),
        tier=options.tier,
        ssh_socket=options.ssh_socket,
        disk_path=disk_path or None,
        disk_bytes=int(disk_bytes) if options.disk else None,
    )


def _down(options: argparse.Namespace) -> int:
    removed = labs.bring_down(options.state)
    _say("the lab is gone" if removed else f"there is no lab at {options.state}")
    if options.json:
        print(json.dumps({"removed": removed}))
    return 0


def _gc(options: argparse.Namespace) -> int:
    require_lab_machine()
    for line in collect_garbage():
        _say(f"removed {line}")
    return 0


def _status(options: argparse.Namespace) -> int:
    for lab in find_labs():
        running = {name: find_running(lab, name) for name in NAMES}
        programs = ", ".join(f"{name} (pid {process.pid})" for name, process in running.items() if process)
        print(f"lab {lab.state}: {lab.address}, {programs or 'no stand-ins'}")
        for host in find_hosts(lab.state):
            condition = "up" if hosts.is_running(host) else "down"
            print(f"  {host.name}: {host.address}, {host.suite} {host.variant}, {host.tier}, {condition}")
    return 0 if find_lab(options.state) else 1


def _exec(options: argparse.Namespace) -> int:
    host = labs.find_host(options.state, options.name)
    os.execvp("ssh", ["ssh", "-F", str(options.state / SSH_CONFIG), host.name, *options.command])  # noqa: S606


def _fault(options: argparse.Namespace) -> int:
    require_lab_machine()
    options.disturb(labs.find_host(options.state, options.name), options)
    return 0


def _base(options: argparse.Namespace) -> int:
    require_lab_machine()
    print(provide_tree(find_suite(options.suite), "bare" if options.bare else "full", _say))
    return 0


def _drive(options: argparse.Namespace) -> int:
    if not options.command:
        raise LabUsageError("lab drive needs a command, such as: lab drive -- rclone lsf drive:")
    with tempfile.TemporaryDirectory(prefix="lab-drive-") as folder:
        return run_against(Path(folder), options.command)


def _demo(options: argparse.Namespace) -> int:
    if options.summary:
        require_place(options.summary, "--summary")
    from runbook.console.terminal import waiting

    with waiting("loading"):
        from lab.demo import demonstrate  # imports what the runbook's commands do, too

    demonstrate(
        on_host=not options.here,
        session_seconds=options.seconds,
        summary_file=options.summary,
        down=options.down,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Real booted hosts on this machine, and their stand-ins.")
    parser.add_argument(
        "--state", type=_path, default=default_state(), help="the lab's folder (default: LAB_STATE, or %(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_up(commands)
    down = _add(commands, "down", _down, "remove the lab and everything it has")
    down.add_argument("--json", action="store_true", help="print whether there was anything to remove as JSON")

    _add(commands, "gc", _gc, "remove what killed commands and vanished checkouts left on this machine")
    _add(commands, "status", _status, "list the labs of this machine; exit code 1 when this one is not up")

    execute = _add(commands, "exec", _exec, "run a command in a host, or log in to it")
    execute.add_argument("name")
    execute.add_argument("command", nargs=argparse.REMAINDER)

    drive = _add(commands, "drive", _drive, "run a command against a stand-in of Google Drive, rclone's remote drive:")
    drive.add_argument("command", nargs="*", metavar="COMMAND")

    _add_faults(commands)

    session = at_least(SHORTEST_SECONDS)
    demo = _add(commands, "demo", _demo, "harvest a session from nothing, pull it and verify it")
    demo.add_argument("--here", action="store_true", help="as ordinary processes, without a host and without Ansible")
    demo.add_argument("--down", action="store_true", help="take the lab down at the end")
    demo.add_argument(
        "--seconds",
        type=session,
        default=40,
        help="length of the trading session (default: %(default)s)",
    )
    demo.add_argument("--summary", type=_path, metavar="FILE", help="write the summary to FILE, as JSON")

    base = _add(commands, "base", _base, "build the base tree of a suite, if the cache has none")
    base.add_argument("suite", choices=SUITES)
    base.add_argument("--bare", action="store_true", help="without the roles' packages")
    return parser


def _add_up(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    up = _add(commands, "up", _up, "make the lab, or what is missing of it")
    up.add_argument(
        "--name", action="append", metavar="NAME[:SUITE[:VARIANT]]", help="a host; repeatable (default: h1)"
    )
    up.add_argument("--suite", default=DEFAULT_SUITE, choices=SUITES, help="userland (default: %(default)s)")
    up.add_argument("--tier", default="nspawn", choices=("nspawn", "uml"), help="container, or a kernel of its own")
    up.add_argument("--bare", action="store_true", help="without the roles' packages, which apt finds in its cache")
    up.add_argument("--without", action="append", default=[], choices=NAMES, help="a stand-in to leave out")
    up.add_argument("--aws", action="store_true", help="have site.yml provision an AWS account, too, on the stand-in")
    up.add_argument("--ssh-socket", action="store_true", help="start the SSH server by its socket, as Ubuntu does")
    up.add_argument("--disk", metavar="PATH=BYTES", help="give each host a disk of its own, mounted at PATH")
    up.add_argument("--json", action="store_true", help="print what was started as JSON")


def _add_faults(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fault = _add(commands, "fault", _fault, "disturb a host on purpose, until `lab fault heal`")
    kinds = fault.add_subparsers(required=True, metavar="KIND")

    def kind(name: str, disturb: Disturb, summary: str) -> argparse.ArgumentParser:
        parser = kinds.add_parser(name, help=summary)
        parser.set_defaults(disturb=disturb)
        parser.add_argument("name", help="the host")
        return parser

    loss = kind("loss", lambda host, given: faults.lose_packets(host, given.percent), "lose packets at random")
    loss.add_argument("--percent", type=int, default=20, help="share of packets (default: %(default)s)")
    partition = kind(
        "partition",
        lambda host, given: faults.partition(host, given.address, given.port),
        "cut the host off from one address",
    )
    partition.add_argument("--address", required=True, help="the address that it can no longer send to")
    partition.add_argument("--port", type=at_least(1), help="only this TCP port of it")
    slow = kind("slow", lambda host, given: faults.slow_down(host, given.kilobits), "let little through to the host")
    slow.add_argument("--kilobits", type=at_least(1), default=256, help="kilobits a second (default: %(default)s)")
    kind("cut", lambda host, _: faults.cut(host), "pull the cable")
    disk = kind(
        "disk-full", lambda host, given: faults.fill_disk(host, given.leave_bytes), "fill the host's extra disk"
    )
    disk.add_argument("--leave-bytes", type=at_least(0), default=0, help="bytes that stay free (default: %(default)s)")
    kind("power-cut", lambda host, _: hosts.cut_power(host), "end the host without a warning and boot it again")
    kind("heal", lambda host, _: faults.heal(host), "undo every fault of the host")


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


def _path(text: str) -> Path:
    return Path(text).resolve()
