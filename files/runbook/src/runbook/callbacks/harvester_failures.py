"""Ansible callback: the failures of a run as JSON lines, for the one-paragraph error of an operator's task.

Ansible hands callbacks copies of results in which `no_log` values are already removed.
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: harvester_failures
type: aggregate
short_description: Writes failed tasks to the file named by HARVESTER_FAILURE_FILE
description: One JSON object per line, with kind, host, task and message.
requirements: []
"""
KEYS = ("msg", "stderr", "stdout", "reason")
LIMIT = 1200


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no type hints
    """Aggregate callback; it stays silent."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "harvester_failures"
    CALLBACK_NEEDS_ENABLED = False

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed for good."""
        if not ignore_errors:
            self._write("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host could not be reached."""
        self._write("unreachable", result)

    def _write(self, kind: str, result: Any) -> None:
        target = os.environ.get("HARVESTER_FAILURE_FILE")
        if not target:
            return
        row = {
            "kind": kind,
            "host": str(result._host.get_name()),
            "task": str(result._task.get_name()),
            "message": _message(result._result),
        }
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _message(details: dict[str, Any]) -> str:
    """What went wrong, from the loop item that failed where there is a loop."""
    items = [item for item in details.get("results", []) if isinstance(item, dict) and item.get("failed")]
    source = items[0] if items else details
    parts = [str(source[key]).strip() for key in KEYS if source.get(key)]
    return " | ".join(" ".join(part.split()) for part in dict.fromkeys(parts))[:LIMIT] or "no message"
