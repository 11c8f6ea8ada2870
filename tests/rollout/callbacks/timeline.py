"""Ansible callback: when each task began, as lines of JSON. The screen shows a task only once it has a result."""

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: timeline
type: aggregate
short_description: Writes when each task began to the file named by TIMELINE
description: One JSON object a line, with name and seconds since the epoch.
requirements: []
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no type hints
    """Aggregate callback; it stays silent."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "timeline"
    CALLBACK_NEEDS_ENABLED = False

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task began."""
        self._write(task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler began."""
        self._write(task.get_name())

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The last one ended."""
        self._write("end")

    def _write(self, name: str) -> None:
        with Path(os.environ["TIMELINE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, "since": time.time()}) + "\n")
