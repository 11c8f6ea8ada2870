"""harvester workers: look at the workers that this host oversees, or see to one of them."""

import argparse
import json
import signal
import threading
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from harvester.base.clock import Clock, SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.logs import configure_logs
from harvester.workers import wording
from harvester.workers.door.local import make_server, open_service
from harvester.workers.door.tokens import Tokens
from harvester.workers.judge import restart
from harvester.workers.logins import take_logins
from harvester.workers.memory import Memory, load, save
from harvester.workers.repair.treat import undo
from harvester.workers.report import write_report
from harvester.workers.round import Parts, alone, look_at, parts_of, perform
from harvester.workers.settings import OverseerSettings, WorkerSettings, load_overseer

PERSON = "requested_by_person"
"""The reason in a signal that a person asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="of the overseer; default: /etc/harvester/overseer.json"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="judge settings, and change nothing")
    check.add_argument("file", type=Path, metavar="FILE")
    tokens = actions.add_parser("check-tokens", help="judge a file with the door's tokens")
    tokens.add_argument("file", type=Path, metavar="FILE")
    actions.add_parser("look", help="for the timer: look at each once, judge it, and do what follows")
    actions.add_parser("listen", help="take error reports over HTTP on loopback, until it is stopped")
    report = actions.add_parser("report", help="write infrastructure_status.json: uptime, champion, disk, workers")
    report.add_argument("file", type=Path, metavar="FILE")
    report.add_argument("--champion", type=Path, metavar="FILE", help="the best model, of which size and time are said")
    show = actions.add_parser("show", help="say what is known of each, without looking anew")
    show.add_argument("--json", action="store_true", help="print one JSON object; times are wall ns")
    for name, what in {
        "restart": "ask one to restart, now and whatever its budget",
        "pause": "judge one, but neither restart it nor tell people, until it is resumed",
        "resume": "end a pause",
        "undo-repair": "bring back its notebook as it was before the last repair",
    }.items():
        actions.add_parser(name, help=what).add_argument("name", metavar="NAME")


def run(args: argparse.Namespace, _: object) -> int:
    """Raises ConfigError for settings or a name that is refused, HarvesterError where the memory cannot be kept."""
    configure_logs(debug=args.debug)
    if args.action == "check":
        load_overseer(args.file)
        return 0
    if args.action == "check-tokens":
        Tokens(args.file)
        return 0
    settings, clock = load_overseer(args.settings), SystemClock()
    if args.action == "show":
        return _show(settings, clock.wall_ns(), as_json=args.json)
    if args.action == "listen":
        return _listen(settings, clock)
    if args.action == "report":
        write_report(args.file, args.champion, settings, clock.wall_ns())
        return 0
    if args.action == "look":
        return _look(settings, clock)
    worker = settings.find(args.name)
    with alone(settings):
        parts = parts_of(settings, worker, clock)
        if args.action == "restart":
            print(_restart(parts))
        elif args.action == "undo-repair":
            print(f"{worker.name}: {undo(parts.mailbox, parts.folder, clock.wall_ns())}")
        else:
            memory = load(parts.memory)
            save(parts.memory, replace(memory, paused=args.action == "pause"))
            print(f"{worker.name}: {'paused' if args.action == 'pause' else 'watched again'}")
    return 0


def _look(settings: OverseerSettings, clock: Clock) -> int:
    """Each worker by itself: what fails of one, or of a login, keeps no other waiting."""
    failed = []
    with alone(settings):
        try:
            for remote in take_logins(settings.rclone, settings.region):
                print(f"the remote {remote} has the login that was stored")
        except HarvesterError as error:
            failed.append(str(error))
        for worker in settings.workers:
            try:
                memory = look_at(parts_of(settings, worker, clock))
                print(f"{worker.name}: {memory.state}{': ' if memory.cause else ''}{memory.cause}")
            except HarvesterError as error:
                failed.append(f"{worker.name}: {error}")
    if failed:
        raise HarvesterError("\n".join(failed))
    return 0


def _listen(settings: OverseerSettings, clock: Clock) -> int:
    server = make_server(open_service(settings, clock), ("127.0.0.1", settings.door.port))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listens on 127.0.0.1 port {server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return 0


def _restart(parts: Parts) -> str:
    memory, now_ns = load(parts.memory), parts.clock.wall_ns()
    memory, acts = restart(memory, PERSON, now_ns, parts.worker.rules(parts.settings.host_id))
    memory = replace(memory, pending=(*memory.pending, *acts))
    save(parts.memory, memory)
    left = perform(parts, memory).pending
    if left:
        raise HarvesterError(
            f"{parts.worker.name}: its mailbox took no signal; the log above says why. The overseer tries again for"
            f" {parts.worker.slow_after_minutes} minutes."
        )
    return f"{parts.worker.name}: {parts.worker.signal} is in its mailbox"


def _show(settings: OverseerSettings, now_ns: int, *, as_json: bool) -> int:
    found = [(worker, load(settings.data_dir / worker.name / "memory.json")) for worker in settings.workers]
    if as_json:
        rows = [_row(worker, memory) for worker, memory in found]
        print(json.dumps({"host": settings.host_id, "workers": rows}))
        return 0
    for worker, memory in found:
        seen = f"sign of life {wording.span(now_ns - memory.beat_ns)} ago" if memory.beat_ns else "no sign of life yet"
        parts = [
            memory.state,
            "paused" if memory.paused else "",
            memory.cause,
            seen,
            f"step {wording.step(memory.step)}",
        ]
        parts.append(f"{len(memory.restarts)} of {worker.restarts_a_day} restarts in 24 h")
        print(f"{worker.name}: {', '.join(part for part in parts if part)}")
    return 0


def _row(worker: WorkerSettings, memory: Memory) -> dict[str, Any]:
    names = ("state", "cause", "seen_ns", "beat_ns", "step", "misses", "restarts", "paused")
    return {"name": worker.name, "mailbox": worker.mailbox} | {name: getattr(memory, name) for name in names}
