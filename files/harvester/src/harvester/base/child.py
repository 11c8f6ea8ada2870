"""Work that needs large libraries, done by a short-lived child, so that the recorder stays small."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError

PREFIX = "harvester: "
PATIENCE_SECONDS = 180.0


def ask(arguments: Sequence[str]) -> Any:
    """What `harvester ARGUMENTS` prints, as JSON data. Blocks: call it in a thread where a loop runs.

    Raises ConfigError or HarvesterError with the child's own message.
    """
    command = [sys.executable, "-m", "harvester", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarvesterError(f"harvester {' '.join(arguments)}: no answer ({type(error).__name__}).") from error
    if done.returncode == 0:
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise HarvesterError(f"harvester {' '.join(arguments)}: the answer is not JSON ({error}).") from error
    message = done.stderr.strip().removeprefix(PREFIX) or f"ended with exit code {done.returncode}"
    if done.returncode == ConfigError.exit_code:
        raise ConfigError(message)
    raise HarvesterError(message)
