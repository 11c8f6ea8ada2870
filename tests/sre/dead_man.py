"""The dead-man as AWS runs it: the function of this checkout, at its schedule's rate, on the stand-in's metrics."""

import importlib
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest import mock

from tests.sre.world import HOST, REGION, World

from harvester.base.aws_names import NAMESPACE
from harvester.calendar import TradingCalendar
from lab.stand_ins import MOTO_PORT
from runbook.aws.trading_days import sessions_file

RATE_SECONDS = 60


def watch_by_dead_man(world: World, since: float, seconds: float, *, silent: bool) -> float | None:
    """Seconds from `since` until a run in a session finds the host silent, or not; None when none does in time."""
    environment = {
        "HOSTS": HOST,
        "NAMESPACE": NAMESPACE,
        "ENVIRONMENT": "lab",
        "AWS_ENDPOINT_URL": f"http://{world.address}:{MOTO_PORT}",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    functions = str(world.root / "files/functions")
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, environment):
        sys.path.insert(0, functions)
        try:
            module = importlib.import_module("dead_man")
            sessions = Path(folder) / "sessions.json"
            calendar = TradingCalendar.load(world.state / "calendar.json")
            days = sessions_file([calendar], (datetime.now(UTC) - timedelta(days=1)).date())
            sessions.write_text(json.dumps(days), encoding="utf-8")
            market = importlib.import_module("market")
            asked = {
                name: partial(getattr(market, name), sessions=sessions) for name in ("session_at", "trading_since")
            }
            with mock.patch.multiple(module, **asked):
                while time.monotonic() - since < seconds:
                    found = module.handler({}, None)
                    if found["session"] and (HOST in found["silent"]) is silent:
                        return time.monotonic() - since
                    time.sleep(RATE_SECONDS)
        finally:
            sys.path.remove(functions)
            for name in ("market", "dead_man"):
                sys.modules.pop(name, None)
    return None
