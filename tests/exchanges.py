"""The local exchange as a process of its own, for tests."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).with_name("exchange"))


@contextmanager
def serving(state: Path, *options: str) -> Iterator[dict[str, Any]]:
    """An exchange that trades at all hours, in the state directory; what it says of itself once it is ready."""
    command = [PROGRAM, "serve", "--state", str(state), "--port", "0", "--always-open", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        try:
            ready = process.stdout.readline()
            assert ready, process.stderr.read()
            yield json.loads(ready)
        finally:
            process.terminate()
