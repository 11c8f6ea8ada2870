"""What is due today, as `harvester due` says it: asked of a child, which ends, because it needs other rooms."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

EVERY_SECONDS = 60
PATIENCE_SECONDS = 50


class DueTable:
    """Asks again and again while it runs; a thread of its own, because the answer takes seconds."""

    def __init__(self, config: Path) -> None:
        self._command = [sys.executable, "-m", "harvester", "due", "--json", "--config", str(config)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dues", daemon=True)
        self.state: dict[str, Any] = {"entries": [], "problem": "not asked yet"}
        """Replaced as a whole: `entries` as `harvester due --json` has them, or the `problem`."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while True:
            self.state = self._ask()
            if self._stop.wait(EVERY_SECONDS):
                return

    def _ask(self) -> dict[str, Any]:
        try:
            done = subprocess.run(self._command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
            # 3 says that something is missing, which the answer has.
            if done.returncode in (0, 3) and done.stdout:
                # The last line is the answer: warnings of what could not be looked at go before it.
                return {"entries": json.loads(done.stdout.splitlines()[-1])["entries"], "problem": ""}
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            return {"entries": [], "problem": f"what is due has no answer ({type(error).__name__})"}
        lines = done.stderr.strip().splitlines()
        return {
            "entries": [],
            "problem": lines[-1] if lines else f"harvester's list of dues ended with {done.returncode}",
        }
