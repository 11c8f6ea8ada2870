"""Runs a role's module in a process of its own, as Ansible would, on this machine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUNNER = """
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), "legacy"
runpy.run_path(sys.argv[1], run_name="__main__")
"""
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run_module(root: Path) -> Run:
    def run(path: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        document = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}}
        argv = [sys.executable, "-c", RUNNER, str(root / "roles" / path)]
        done = subprocess.run(argv, input=json.dumps(document), capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run
