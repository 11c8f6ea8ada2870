"""A pull over SSH in a process of its own, which tells each step and can be killed at any of them."""

import json
import sys
from pathlib import Path

from runbook.fleet.inventory import Host
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.rsync import SshTransport
from runbook.pull.store import LocalStore


class Steps:
    """Progress as lines; the reader's pace is the writer's, for a pipe holds only so many."""

    def look(self, host: str) -> None: ...

    def begin(self, host: str, files: int, total_bytes: int) -> None:
        print(f"begin {total_bytes}", flush=True)

    def file(self, path: str) -> None:
        print(f"file {path}", flush=True)

    def advance(self, count: int) -> None:
        print(f"advance {count}", flush=True)


if __name__ == "__main__":
    described = json.loads(sys.argv[1])
    host = Host(**described["host"] | {"key_file": Path(described["host"]["key_file"])})
    host = Host(**vars(host) | {"control_directory": Path(described["host"]["control_directory"])})
    store = LocalStore(Path(described["store"]))
    [result] = pull([lambda: SshTransport(host, described["lake"])], store, Selection(raw=True), Steps())
    print(f"end {len(result.problems)}", flush=True)
    sys.exit(1 if result.problems else 0)
