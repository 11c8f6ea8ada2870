"""The file that asks a worker to restart, as the users' document has it."""

import json
from datetime import UTC, datetime

from harvester.base.clock import NS_PER_SECOND
from harvester.workers.memory import Act


def signal_of(act: Act, overseer: str) -> bytes:
    """The content; the same for the same act, so that writing it twice changes nothing."""
    asked = {
        "action": "restart_training",
        "reason": act.cause,
        "requested_at": datetime.fromtimestamp(act.at_ns // NS_PER_SECOND, UTC).isoformat(),
        "requested_by": overseer,
        "repair_applied": act.repaired,
    }
    return json.dumps(asked, indent=2).encode() + b"\n"
