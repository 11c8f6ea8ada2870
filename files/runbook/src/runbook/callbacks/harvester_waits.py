"""Ansible callback: a task that takes long says so every few seconds, and what is waited for where the task knows.

A task states it in a variable of its own whose name ends in _waits_for: for what, how long it usually takes, and what
to do when it does not come. Without this the screen shows a task only once it has a result.
"""

import os
import sys
import threading
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: harvester_waits
type: aggregate
short_description: Says every few seconds that a task is still on
description: Writes to standard error what is waited for, and since when.
requirements: []
"""
EVERY_SECONDS = 5.0
HINT = "_waits_for"


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no type hints
    """Aggregate callback. Its thread writes by one system call, because Ansible forks beside it: it holds no lock."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "harvester_waits"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        super().__init__()
        self._task = ("", "")
        self._began = self._shown = time.monotonic()
        self._ends = threading.Event()

    def v2_playbook_on_start(self, _: Any) -> None:
        """A run begins."""
        threading.Thread(target=self._watch, daemon=True).start()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins, and the one before it has ended."""
        hints = [str(value) for name, value in (task.vars or {}).items() if name.endswith(HINT)]
        self._task = (task.get_name(), " ".join(" ".join(hints).split()))
        self._began = self._shown = time.monotonic()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """So does a handler."""
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_runner_retry(self, result: Any) -> None:
        """The screen has shown a try that came too early."""
        if self._shown > self._began:
            self._shown = time.monotonic()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """The screen has shown one of several things, and the next one is on."""
        self._shown = time.monotonic()

    def v2_playbook_on_stats(self, _: Any) -> None:
        """The run ends."""
        self._ends.set()

    def _watch(self) -> None:
        while not self._ends.wait(1):
            now = time.monotonic()
            if now - self._shown >= EVERY_SECONDS and self._task[0]:
                (name, hint), is_first = self._task, self._shown == self._began
                self._shown = now
                said = f"... {now - self._began:.0f} s: {name}" + (f". {hint}." if hint and is_first else "")
                os.write(sys.stderr.fileno(), f"{said}\n".encode())
