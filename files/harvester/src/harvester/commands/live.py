"""harvester live: the page on which today's data are seen to arrive, on a Unix socket."""

import argparse
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.live.bridge import SOCKET, connect, pass_on

IDLE_SECONDS = 900.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--attach", action="store_true", help="for the laptop: join standard input and output to the page's socket"
    )
    parser.add_argument("--socket", type=Path, metavar="FILE", help=f"the page's socket; systemd's is {SOCKET}")
    parser.add_argument(
        "--idle", type=float, default=IDLE_SECONDS, metavar="SECONDS", help="end when nobody has asked for so long"
    )


def run(args: argparse.Namespace, _: object) -> int:
    """Serve until stopped, or until nobody looks any more: systemd starts it again at the next look."""
    if args.attach:
        pass_on(connect(args.socket or SOCKET), sys.stdin.fileno(), sys.stdout.fileno())
        return 0
    return _serve(args)


def sources_in_force(config: Path, masters: Path | None) -> tuple[object, ...]:
    """What a deployment leads elsewhere, and each morning's look-up of rules, where symbols are named by such."""
    from harvester.config.rules import newest_kept

    return Path(sys.argv[0]).resolve(), config.resolve(), newest_kept(masters) if masters else None


def _serve(args: argparse.Namespace) -> int:
    from harvester.base.clock import SystemClock
    from harvester.calendar import TradingCalendar
    from harvester.config.file import load_settings, settings_path
    from harvester.live.due_table import DueTable
    from harvester.live.server import LiveServer, activated, listen
    from harvester.live.view import LiveView

    settings, stop = load_settings(args.config), threading.Event()
    listening = listen(args.socket) if args.socket else activated()
    if listening is None:
        raise ConfigError("systemd handed over no socket. On a host ./inv live leads here; else name one: --socket.")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    dues = DueTable(settings_path(args.config))
    view = LiveView(settings, lambda: TradingCalendar.load(settings.calendar.file), dues, SystemClock())
    reads = partial(sources_in_force, settings_path(args.config), settings.master_dir if settings.rules else None)
    server = LiveServer(listening, view, stop, idle_seconds=args.idle, reads=reads)
    threading.Thread(target=server.serve_forever, name="page", daemon=True).start()
    dues.start()
    try:
        view.follow(stop)
    finally:
        dues.stop()
        server.shutdown()
        if args.socket:
            args.socket.unlink(missing_ok=True)
    return 0
