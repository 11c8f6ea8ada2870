"""harvester config: check a configuration file before it is used, or print the table of all keys."""

import argparse
import asyncio
import json
from contextlib import suppress
from pathlib import Path

import msgspec

from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.brokers.fyers.found import FoundSymbols, find_symbols, require_none
from harvester.brokers.fyers.masters import KeptMasters, MasterFile
from harvester.brokers.fyers.segments import MasterRow, assign_segments, find_contradictions
from harvester.brokers.fyers.topics import topics_of
from harvester.calendar import TradingCalendar
from harvester.config.file import load_settings, read_settings, settings_path
from harvester.config.reference import describe_settings
from harvester.config.rules import Resolved, describe_outdated, find_outdated, keep_resolved, read_resolved
from harvester.config.segments import describe_refused, refuse_without_hours
from harvester.config.settings import Settings, resolve_symbols
from harvester.config.size import refuse_size, size_of
from harvester.health.remedies import update_lists


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check a file; exit code 2 when it is refused")
    check.add_argument("file", type=Path, nargs="?", help="configuration file; default: the one in force")
    check.add_argument(
        "--master",
        type=Path,
        action="append",
        metavar="CSV",
        help="symbol master to look the symbols up in, also gzipped; several times for several segments",
    )
    check.add_argument(
        "--earlier",
        type=Path,
        metavar="DIR",
        help="earlier masters, as YYYY-MM-DD/NSE_CM.csv.gz, that say what a missing symbol was (default: those kept)",
    )
    check.add_argument("--online", action="store_true", help="look the symbols up in the broker's own symbol master")
    actions.add_parser("schema", help="print every key with its type, default and meaning")
    actions.add_parser("show", help="print the configuration in force as JSON, defaults filled in")
    actions.add_parser("topics", help="look all symbols up at the broker and print what its sockets call them, as JSON")


def run(args: argparse.Namespace, settings: None) -> int:
    if args.action == "schema":
        print(describe_settings(Settings))
        return 0
    if args.action == "check":
        _check(args)
        return 0
    path = settings_path(args.config)
    found = _find_topics(path) if args.action == "topics" else msgspec.to_builtins(load_settings(path), enc_hook=str)
    print(json.dumps(found))
    return 0


def _find_topics(path: Path) -> dict[str, object]:
    settings, problem = load_settings(path), ""
    if settings.rules:
        try:
            settings = _resolve(path)
        except ConfigError as error:
            problem = str(error)  # what was resolved before stays
    found = _download(settings)
    listed = found.listings.items()
    resolved = read_resolved(settings.master_dir) if settings.rules else None
    rules = resolved.rules if resolved else []
    absent = {name: why for rule in rules for name, why in rule.get("absent", {}).items()}
    calendar, day = TradingCalendar.load(settings.calendar.file), to_local(SystemClock().wall_ns()).date()
    rows = [MasterRow(name, row.fy_token, row.session, row.root) for name, row in listed]
    segments = assign_segments(rows, found.underlyings, calendar, day)
    return {
        "segments": segments,
        "contradictions": find_contradictions(rows, segments, calendar, day),
        "topics": {symbol: topics_of(symbol, row.fy_token, found.index_names) for symbol, row in listed},
        "unknown": {symbol: [] for symbol in absent}
        | {symbol: [lost.successor] if lost.successor else [] for symbol, lost in found.lost.items()},
        "lost": absent | {symbol: lost.sentence for symbol, lost in found.lost.items()},
        "remarks": [*found.remarks, *filter(None, [problem])],
        "symbols": list(settings.all_symbols),
        "rules": rules,
    }


def _resolve(path: Path) -> Settings:
    """Settings with what their rules stand for today, which is kept. Raises ConfigError for what cannot be recorded."""
    settings, resolved = _resolve_now(read_settings(path))
    if resolved is None:
        return settings
    try:
        keep_resolved(settings.master_dir, resolved)
    except OSError as error:
        raise ConfigError(f"symbols: what the rules stand for cannot be kept: {error}.") from error
    return settings


def _resolve_now(written: Settings) -> tuple[Settings, Resolved | None]:
    """The same with what the broker's masters say of its rules today; nothing is kept. Raises HarvesterError."""
    from harvester.brokers.fyers.master_download import resolve_rules  # large

    written.refuse_unlisted()
    if not written.rules:
        return written, None
    url, kept, now_ns = written.broker.public_url, KeptMasters(written.master_dir), SystemClock().wall_ns()
    resolved, _ = asyncio.run(resolve_rules(written.rules, written.index_lists, url, kept, now_ns))
    return resolve_symbols(written, resolved.symbols), resolved


def _check(args: argparse.Namespace) -> None:
    path = settings_path(args.file or args.config)
    written = read_settings(path)  # once: it may be /dev/stdin
    written.refuse_unlisted()
    if args.online:
        resolved = _resolve_now(written)[1]
    elif args.master and written.rules:
        resolved = _resolve_by(written, args.master)
    else:
        resolved = read_resolved(written.master_dir)
    size = size_of(written, resolved)
    refuse_size(written, size)
    checked = resolve_symbols(written, resolved.symbols_of(written.rules) if resolved else ())
    refused = refuse_without_hours(checked, TradingCalendar.load(checked.calendar.file)).refused
    if refused:
        raise ConfigError(f"{path}: symbols: {describe_refused(refused)}")
    if args.master:
        _check_offline(checked, args.master, args.earlier)
    if args.online and written.market == "us":
        print("remark: Schwab has no symbol master: the recorder looks the tickers up with its token")
    elif args.online:
        found = _download(checked)
        for remark in found.remarks:
            print(f"remark: {remark}")
        require_none(found.lost)
    old = find_outdated(written.rules, written.index_lists, to_local(SystemClock().wall_ns()).date())
    if old:
        print(f"remark: {describe_outdated(old)}. {update_lists(old)}")
    interval = f"{checked.poll.interval_seconds:g} s"
    most = "at most " if size.bounds else ""
    print(f"{path}: valid; {most}{size.symbols} symbols every {interval}, as {checked.host_id}.{size.remark}")


def _resolve_by(written: Settings, masters: list[Path]) -> Resolved:
    """What the rules stand for by masters that are given; strikes are left out, because these have no prices."""
    from harvester.brokers.fyers.resolution import concerns, resolve_rule

    now_ns = SystemClock().wall_ns()
    today = to_local(now_ns).date()
    lists = {each.index: each for each in written.index_lists}
    pairs = [(rule, lists.get(rule.index or "")) for rule in written.rules if not rule.strikes]
    rows = [
        row for path in masters for row in MasterFile(today, path).rows() if any(concerns(*pair, row) for pair in pairs)
    ]
    found = []
    for rule, listed in pairs:
        dated = {"date": listed.date.isoformat()} if listed else {}
        with suppress(ConfigError):  # of another segment's master: it counts as what it can stand for
            symbols = resolve_rule(rule, rows, {}, now_ns, listed)
            found.append({"rule": msgspec.to_builtins(rule), "symbols": symbols} | dated)
    return Resolved(today.isoformat(), found)


def _check_offline(settings: Settings, masters: list[Path], earlier: Path | None) -> None:
    kept = KeptMasters(earlier or settings.master_dir)
    today = to_local(SystemClock().wall_ns()).date()
    read = [MasterFile(today, path) for path in masters]
    try:
        for master in read:
            if next(master.rows(), None) is None:
                raise ConfigError(f"{master.path}: not the broker's symbol master: it has no row of one.")
        found = find_symbols(settings.all_symbols, read, kept, today)
    except OSError as error:
        raise ConfigError(f"the symbol master cannot be read: {error}.") from error
    require_none(found.lost)


def _download(settings: Settings) -> FoundSymbols:
    from harvester.brokers.fyers.master_download import download_symbols  # large

    today = to_local(SystemClock().wall_ns()).date()
    kept = KeptMasters(settings.master_dir)
    return asyncio.run(download_symbols(settings.all_symbols, settings.broker.public_url, kept, today))
