"""harvester health: the checks as text or JSON; exit code 0 when all is well, 3 when not."""

import argparse
import json
from typing import Any

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError, UnhealthyError
from harvester.calendar import TradingCalendar
from harvester.capture.status import read_status
from harvester.config.settings import Settings, config_hash, settings_path
from harvester.health.checks import check_health
from harvester.health.remedies import Check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    checks, status = _examine(args, settings)
    healthy = all(check.ok for check in checks)
    if args.json:
        print(json.dumps(_describe(healthy, checks, status), indent=2))
    else:
        _print(checks)
    return 0 if healthy else UnhealthyError.exit_code


def _examine(args: argparse.Namespace, settings: Settings) -> tuple[list[Check], dict[str, Any]]:
    try:
        status = read_status(settings.status_file)
    except UnhealthyError as error:
        return [Check("running", False, str(error), "./inv start")], {}
    try:
        calendar = TradingCalendar.load(settings.calendar.file)
    except HarvesterError as error:
        return [Check("calendar", False, str(error), "Correct the calendar file.")], status
    file_hash = config_hash(settings_path(args.config))
    wall_ns = SystemClock().wall_ns()
    return check_health(settings, status, file_hash=file_hash, calendar=calendar, wall_ns=wall_ns), status


def _describe(healthy: bool, checks: list[Check], status: dict[str, Any]) -> dict[str, Any]:
    return {
        "healthy": healthy,
        "release": status.get("release"),
        "config_hash": status.get("config_hash"),
        "token_version": status.get("token", {}).get("version"),
        "checks": [check._asdict() for check in checks],
        "status": status,
    }


def _print(checks: list[Check]) -> None:
    for check in checks:
        print(f"{'ok  ' if check.ok else 'FAIL'} {check.name:<9} {check.detail}")
        if not check.ok:
            print(f"               fix: {check.fix}")
