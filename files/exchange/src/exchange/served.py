"""The served log: what every /depth answer was, so that a checker can compare it with what a client recorded."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path


class ServedLog:
    """Appends one JSON line per /depth answer.

    Keys: `ns` (wall time of the answer), `symbol`, `status` (0: no answer was sent), `sha256` and `bytes` of the
    whole body, `fault` (name of the fault that made it, or null), `delivered` (false when the body was cut, withheld,
    or the client had gone).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def add(self, ns: int, symbol: str, status: int, body: bytes | None, fault: str | None, *, delivered: bool) -> None:
        """Record one answer."""
        row = {
            "ns": ns,
            "symbol": symbol,
            "status": status,
            "sha256": hashlib.sha256(body).hexdigest() if body is not None else None,
            "bytes": len(body) if body is not None else 0,
            "fault": fault,
            "delivered": delivered,
        }
        self.count += 1
        self._file.write(json.dumps(row) + "\n")

    def since(self, ns: int) -> Iterator[bytes]:
        """The rows from a wall time on, as JSON lines."""
        with self.path.open("rb") as file:
            for line in file:
                if ns <= 0 or json.loads(line)["ns"] >= ns:
                    yield line

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()
