"""harvester health: the checks as text or JSON; exit code 0 when all is well, 3 when not."""

import argparse
import json
from typing import Any

from harvester.base.clock import SystemClock
from harvester.base.errors import UnhealthyError
from harvester.health.examine import Examined, examine
from harvester.health.remedies import Check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, _: None) -> int:
    found = examine(args.config, SystemClock().wall_ns())
    healthy = all(check.ok for check in found.checks)
    if args.json:
        print(json.dumps(_describe(healthy, found), indent=2))
    else:
        _print(found.checks)
    return 0 if healthy else UnhealthyError.exit_code


def _describe(healthy: bool, found: Examined) -> dict[str, Any]:
    status = found.status
    return {
        "healthy": healthy,
        "release": status.get("release"),
        "config_hash": status.get("config_hash"),
        "token_version": status.get("token", {}).get("version"),
        "session": found.session,
        "channels": {"count": found.reach.channels, "taken_ns": found.reach.taken_ns} if found.reach else None,
        "checks": [check._asdict() for check in found.checks],
        "status": status,
    }


def _print(checks: list[Check]) -> None:
    for check in checks:
        mark = "FAIL" if not check.ok else "look" if check.fix else "ok  "
        print(f"{mark} {check.name:<13} {check.detail}")
        if check.fix:
            print(f"                   fix: {check.fix}")
