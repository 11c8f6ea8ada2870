"""Runs in the engines' venv: a grid of many days on a Ray cluster, as JSON. ENGINE LAKE WORKERS SYMBOL ...

ENGINE: here (at once, in this process), ray (tasks) or daft (a DataFrame of days on Daft's Ray runner). Said are the
days, the moments, how many are known, a hash of all values and masks, and how many processes computed them.
"""

import hashlib
import json
import os
import sys
from contextlib import nullcontext
from typing import Any

import numpy as np
from cluster import workers

FIELDS = ["mid", "spread_bp", "imbalance_5", "ofi_5", "microprice"]


def grid_of(folder: str, symbols: list[str], day: str | None = None) -> Any:
    """The arrays of a day, or of all."""
    from harvester.reader import open_lake

    return open_lake(folder).grid(symbols, days=day, every="1s", fields=FIELDS).numpy()


def main() -> None:
    engine, folder, count, *symbols = sys.argv[1:]
    from harvester.reader import open_lake

    days = [str(day) for day in open_lake(folder).days()]
    ask = {"here": at_once, "ray": by_ray, "daft": by_daft}[engine]
    with workers(int(count)) if int(count) else nullcontext():
        grids, processes = zip(*ask(folder, symbols, days), strict=True)
    parts = [np.concatenate(part) for part in zip(*grids, strict=True)]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    found = {"days": len(days), "moments": len(parts[0]), "known": int(parts[2].sum()), "sha256": digest.hexdigest()}
    print(json.dumps({"grid": found, "processes": len({*processes})}))


def at_once(folder: str, symbols: list[str], days: list[str]) -> list[Any]:
    """All days in one question."""
    return [(grid_of(folder, symbols), os.getpid())]


def by_ray(folder: str, symbols: list[str], days: list[str]) -> list[Any]:
    """Each day with the process that computed it, in order."""
    import ray

    task = ray.remote(lambda day: (grid_of(folder, symbols, day), os.getpid()))
    return list(ray.get([task.remote(day) for day in days]))


def by_daft(folder: str, symbols: list[str], days: list[str]) -> list[Any]:
    """The same by a function of Daft over a column of days, a partition each."""
    import daft

    daft.set_runner_ray()

    @daft.func(return_dtype=daft.DataType.python())
    def grid(day: str) -> Any:
        return grid_of(folder, symbols, day), os.getpid()

    frame = daft.from_pydict({"day": days}).into_partitions(len(days))
    return list(frame.with_column("grid", grid(daft.col("day"))).sort("day").to_pydict()["grid"])


if __name__ == "__main__":
    main()
