"""Runs in the engines' venv: a grid of many days on a Ray cluster, a day a task. LAKE WORKERS SYMBOL ..., as JSON.

Said are the days, the moments, how many are known, and a hash of all values and masks. No WORKERS: at once, and here.
"""

import hashlib
import json
import sys
from typing import Any

import numpy as np

FIELDS = ["mid", "spread_bp", "imbalance_5", "ofi_5", "microprice"]


def grid_of(folder: str, symbols: list[str], day: str | None = None) -> Any:
    """The arrays of a day, or of all."""
    from harvester.reader import open_lake

    return open_lake(folder).grid(symbols, days=day, every="1s", fields=FIELDS).numpy()


def main() -> None:
    folder, count, *symbols = sys.argv[1:]
    from harvester.reader import open_lake

    days = [str(day) for day in open_lake(folder).days()]
    grids = [grid_of(folder, symbols)] if count == "0" else on_cluster(int(count), folder, symbols, days)
    parts = [np.concatenate(part) for part in zip(*grids, strict=True)]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    found = {"days": len(days), "moments": len(parts[0]), "known": int(parts[2].sum()), "sha256": digest.hexdigest()}
    print(json.dumps(found))


def on_cluster(count: int, folder: str, symbols: list[str], days: list[str]) -> list[Any]:
    """The grid of each day, in order, by tasks of so many workers."""
    import ray
    from cluster import workers

    with workers(count):
        task = ray.remote(grid_of)
        return list(ray.get([task.remote(folder, symbols, day) for day in days]))


if __name__ == "__main__":
    main()
