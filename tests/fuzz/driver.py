"""Runs a target on mutated inputs for some time: coverage-guided where the package atheris is there, blindly elsewhere.

Atheris is not in our lock: install it into a venv of your own together with what the target imports, and put this
repository's packages on PYTHONPATH.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

Target = Callable[[bytes], None]
LONGEST_INPUT = 4096


def instrumented() -> AbstractContextManager[object]:
    """Imports within it are watched for coverage, where that is possible."""
    if atheris is None:
        return nullcontext()
    context: AbstractContextManager[object] = atheris.instrument_imports(include=["harvester", "tests.property"])
    return context


def fuzz(target: Target, inputs: Sequence[bytes], description: str) -> None:
    """Fuzz for the time that the command line gives; a failure ends with the input that caused it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args().seconds
    if atheris is None:
        _blindly(target, inputs, seconds)
        return
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        for number, data in enumerate(inputs):
            (Path(corpus) / f"seed-{number}").write_bytes(data)
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *options, corpus], target)
        atheris.Fuzz()


def _blindly(target: Target, inputs: Sequence[bytes], seconds: int) -> None:
    rng, runs, end = random.Random(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = _mutate(rng, rng.choice(inputs))
        try:
            target(data)
        except Exception:
            print(f"failing input: {data.hex()}", file=sys.stderr)
            raise
        runs += 1
    print(f"{runs} inputs without coverage in {seconds} s, no failure")


def _mutate(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, taken out, put in or repeated."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, cut = rng.randint(0, len(out)), rng.randint(0, 8)
        out[at : at + cut] = rng.choice([rng.randbytes(rng.randint(0, 4)), bytes(out[at : at + 2 * cut]), b"\xff"])
    return bytes(out)
