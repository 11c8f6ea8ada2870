"""The files that an overseer writes for a worker, as the users' document has them: signal and heartbeat."""

import json
from datetime import UTC, datetime

from harvester.base.clock import NS_PER_SECOND
from harvester.workers.memory import HOUR_NS, Act


def signal_of(act: Act, overseer: str) -> bytes:
    """The content; the same for the same act, so that writing it twice changes nothing."""
    asked = {
        "action": "restart_training",
        "reason": act.cause,
        "requested_at": _iso(act.at_ns),
        "requested_by": overseer,
        "repair_applied": act.repaired,
    }
    return json.dumps(asked, indent=2).encode() + b"\n"


def heartbeat_of(overseer: str, state: str, now_ns: int) -> bytes:
    """That the overseer lives, what it thinks of the worker, and when it shows itself again."""
    shown = {"timestamp": _iso(now_ns), "host": overseer, "status": state, "next_check": _iso(now_ns + HOUR_NS)}
    return json.dumps(shown, indent=2).encode() + b"\n"


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC).isoformat()
